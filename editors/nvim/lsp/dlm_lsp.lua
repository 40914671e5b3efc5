--- Found by `vim.lsp.enable('dlm_lsp')` (Neovim 0.11 and later).

---@type vim.lsp.Config
return require('dlm_lsp.server').lsp_config()
