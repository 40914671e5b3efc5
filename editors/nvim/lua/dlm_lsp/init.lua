--- The functions that a user calls. All other code of this plugin starts at `LspAttach`; see |dlm_lsp|.

local M = {}

--- Start the server for its file types, with options that differ from the defaults. Optional where `vim.lsp.enable`
--- exists: `vim.lsp.enable('dlm_lsp')` does the same with all defaults.
---@param options? dlm_lsp.Config
function M.setup(options)
  local config = require('dlm_lsp.config')
  config.set(options)
  for _, problem in ipairs(config.problems) do
    vim.notify('dlm-lsp: ' .. problem, vim.log.levels.ERROR)
  end
  require('dlm_lsp.server').enable()
end

--- Accept what is shown.
---@param unit? 'all'|'word'|'line'
function M.accept(unit)
  require('dlm_lsp.accept').accept(unit or 'all')
end

---@return dlm_lsp.Session?
local function session()
  return require('dlm_lsp.session').of(vim.api.nvim_get_current_buf())
end

--- Show the next candidate.
function M.next()
  local current = session()
  if current then
    current:cycle(1)
  end
end

--- Show the previous candidate.
function M.prev()
  local current = session()
  if current then
    current:cycle(-1)
  end
end

--- Ask for candidates now.
function M.invoke()
  local current = session()
  if current then
    current:clear()
    current:request(require('dlm_lsp.client').trigger.INVOKED)
  end
end

---@param current dlm_lsp.Session
local function dismiss(current)
  current:stop()
  require('dlm_lsp.native').dismiss(current.buf)
  require('dlm_lsp.fill').stop(current.buf)
end

--- Hide the suggestion, and stop running requests.
function M.dismiss()
  local current = session()
  if current then
    dismiss(current)
  end
end

--- Switch suggestions, fills and keys on or off.
---@param is_on boolean
---@param buf? integer One buffer; without it, all that have no `b:dlm_lsp_enabled` of their own.
function M.enable(is_on, buf)
  local switch = require('dlm_lsp.switch')
  switch.set(buf, is_on)
  for _, each in ipairs(vim.api.nvim_list_bufs()) do
    local of_each = require('dlm_lsp.session').of(each)
    if of_each and not switch.is_on(each) then
      dismiss(of_each)
    end
  end
  vim.cmd.redrawstatus({ bang = true })
end

--- Switch suggestions, fills and keys over, and say how they are now.
---@param buf? integer One buffer; without it, as `enable`.
function M.toggle(buf)
  local is_on = not require('dlm_lsp.switch').is_on(buf)
  M.enable(is_on, buf)
  local place, bang = buf and 'in this buffer' or 'everywhere', buf and '!' or ''
  local state = is_on and 'on' or ('off %s (:DlmToggle%s switches it on)'):format(place, bang)
  if is_on and not M.is_enabled() then
    state = 'on everywhere except in this buffer (:DlmToggle! switches it on here)'
  end
  vim.api.nvim_echo({ { 'dlm-lsp: ' .. state } }, false, {})
end

--- Restart the server.
function M.restart()
  require('dlm_lsp.server').restart()
end

--- Whether suggestions, fills and keys are switched on in a buffer.
---@param buf? integer
---@return boolean
function M.is_enabled(buf)
  return require('dlm_lsp.switch').is_on(buf or vim.api.nvim_get_current_buf())
end

--- Hide suggestions, because a completion plugin has opened a menu that Neovim does not know of.
function M.menu_opened()
  require('dlm_lsp.menu').on_other_opened()
end

--- Show them again, where they still fit.
function M.menu_closed()
  require('dlm_lsp.menu').on_other_closed()
end

--- State and message of the current buffer's server.
---@return dlm_lsp.Status
function M.status()
  return require('dlm_lsp.status').of()
end

--- For 'statusline': `%{%v:lua.require'dlm_lsp'.statusline()%}`.
---@return string
function M.statusline()
  return require('dlm_lsp.status').statusline()
end

--- Follow a buffer that the server was attached to.
---@param client vim.lsp.Client
---@param buf integer
function M.attach(client, buf)
  local is_native = require('dlm_lsp.config').is_native()
  require('dlm_lsp.server').tell_roots(client)
  require('dlm_lsp.fill').stop(buf)
  require('dlm_lsp.ghost').define_highlights()
  require('dlm_lsp.session').attach(client, buf, is_native)
  if is_native then
    require('dlm_lsp.transport').watch(client)
    require('dlm_lsp.native').enable(buf)
  end
  require('dlm_lsp.keymaps').set(buf)
end

--- Clean up after Insert mode was left in a buffer, by whatever key.
---@param buf integer
function M.leave_insert(buf)
  require('dlm_lsp.menu').forget()
  local left = require('dlm_lsp.session').of(buf)
  if left then
    left:leave_insert()
  end
end

--- Leave a buffer that the server was detached from, unless another one has taken its place already.
---@param client vim.lsp.Client
---@param buf integer
function M.detach(client, buf)
  local current = require('dlm_lsp.session').of(buf)
  if not current or current.client.id == client.id then
    require('dlm_lsp.fill').stop(buf)
    require('dlm_lsp.session').detach(buf)
    require('dlm_lsp.native').forget(buf)
    require('dlm_lsp.keymaps').unset(buf)
  end
end

return M
