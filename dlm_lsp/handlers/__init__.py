"""How the daemon handles each LSP method, one file per group; the table in `dlm_lsp.server` routes them.

Every handler takes the session and the parameters. One that answers from the loop is a plain function; one that waits
for the worker or the client is a coroutine, so that `$/cancelRequest` reaches it.
"""
