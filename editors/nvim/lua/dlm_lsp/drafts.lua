--- `dlmLsp/draft`: the text while it sharpens, drawn in the place of the result.

local Session = require('dlm_lsp.session')
local client_of = require('dlm_lsp.client')
local fill = require('dlm_lsp.fill')
local positions = require('dlm_lsp.positions')

local M = {}

---@param params table `DraftParams`
---@param encoding 'utf-8'|'utf-16'|'utf-32'
---@return dlm_lsp.Span[] In bytes of the text, whose trailing blanks are cut.
local function stable_bytes(params, encoding)
  return vim.tbl_map(function(span)
    return {
      positions.to_bytes(params.text, span[1], encoding),
      positions.to_bytes(params.text, span[2], encoding),
    }
  end, params.stableRanges)
end

--- `lsp.Handler` of the notification. A draft of another version of the text is dropped.
---@param _ any
---@param params table
---@param context lsp.HandlerContext
function M.on_draft(_, params, context)
  local client = vim.lsp.get_client_by_id(context.client_id)
  local buf = client_of.buf_of(params.uri)
  if not client or not buf or params.version ~= vim.lsp.util.buf_versions[buf] then
    return
  end
  local stable = stable_bytes(params, client.offset_encoding)
  local text = params.text:gsub('%s+$', '')
  if fill.is_fill(buf, params.requestId) then
    return fill.paint(buf, params.range, text, stable)
  end
  local session = Session.of(buf)
  if session and buf == vim.api.nvim_get_current_buf() and vim.startswith(vim.api.nvim_get_mode().mode, 'i') then
    session:sharpen(params.requestId, { insertText = text, range = params.range }, stable)
  end
end

return M
