"""The infilling engine: an infill request in, drafts out. Knows no LSP.

Nothing is imported here, so that `dlm_model.request` (plain dataclasses) costs no torch; the engine itself is
`dlm_model.engine`.
"""
