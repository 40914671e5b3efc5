"""What the command line does, and what commands share; `dlm_lsp.cli` only wires them to arguments."""
