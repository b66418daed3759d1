"""Every sentence that explains a reason, one module a noun: reasons in, words out."""
