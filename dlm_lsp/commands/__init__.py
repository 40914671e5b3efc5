"""What the command line does, one module per command; `dlm_lsp.cli` only wires them to arguments."""
