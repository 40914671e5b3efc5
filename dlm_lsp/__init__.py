"""The daemon and the command line: LSP in, LSP out. Importable without torch."""

__version__ = "0.1.0"
