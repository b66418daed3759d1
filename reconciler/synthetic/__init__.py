"""Invented customers: generated from a seed number, or real ones with everything personal replaced."""
