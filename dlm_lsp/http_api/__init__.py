"""The engine over HTTP: fill-in-the-middle completions as editors' plugins ask Mercury, Mistral and OpenAI for them.

app ── parse_request ──▶ FimRequest ── FimService ──▶ Desk ──▶ Worker ── complete ──▶ Completion ── wire ──▶ JSON
"""
