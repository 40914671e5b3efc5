--- `dlmLsp/status`, kept for the status line: the state of the daemon, and why nothing is shown.

local M = {}

---@class dlm_lsp.Status
---@field state 'normal'|'busy'|'warning'|'error'|'inactive'|'off'
---@field message string

---@type table<integer, dlm_lsp.Status> By client.
local statuses = {}

---@type table<integer, integer> The buffer that an `inactive` status is about, by client.
local subjects = {}

---@type string[] Warnings about options, in order of arrival.
M.option_problems = {}

local symbols = { normal = '●', busy = '◐', warning = '▲', error = '✖', inactive = '○', off = '–' }

--- `lsp.Handler` of the notification; fires `User DlmLspStatus`.
---@param _ any
---@param params table
---@param context lsp.HandlerContext
function M.on_status(_, params, context)
  subjects[context.client_id] = vim.api.nvim_get_current_buf()
  statuses[context.client_id] = { state = params.state, message = params.message or '' }
  if params.state == 'warning' and vim.startswith(params.message, 'options ignored') then
    table.insert(M.option_problems, params.message)
  end
  vim.api.nvim_exec_autocmds('User', { pattern = 'DlmLspStatus', modeline = false })
  vim.cmd.redrawstatus()
end

--- The server does not repeat a status; the last one is then about the buffer that was answered last.
---@param client_id integer
---@param buf integer
function M.concerns(client_id, buf)
  subjects[client_id] = buf
end

--- The status for a buffer.
---@param buf? integer
---@return dlm_lsp.Status
function M.of(buf)
  buf = buf or vim.api.nvim_get_current_buf()
  local client = require('dlm_lsp.client').of(buf)
  if not client then
    return { state = 'off', message = 'no server is attached' }
  end
  if not require('dlm_lsp.switch').is_on(buf) then
    return { state = 'off', message = 'switched off' }
  end
  local status = statuses[client.id]
  local is_elsewhere = status and status.state == 'inactive' and subjects[client.id] ~= buf
  return not is_elsewhere and status or { state = 'normal', message = '' }
end

--- For 'statusline': a symbol, and the reason whenever nothing can be shown.
---@return string
function M.statusline()
  local status = M.of()
  local is_silent = status.state ~= 'normal' and status.state ~= 'busy'
  local reason = is_silent and status.message ~= '' and ': ' .. status.message or ''
  return (('dlm %s%s'):format(symbols[status.state], reason):gsub('%%', '%%%%'))
end

return M
