"""Spreadsheets to customers files: read a sheet, map its columns, clean its cells, edit the file in place."""
