--- Menus of completions, Neovim's own and those of other plugins: ghost text makes room, and comes back afterwards.

local client_of = require('dlm_lsp.client')
local ghost = require('dlm_lsp.ghost')

local M = {}

---@type boolean A menu that another plugin draws.
local is_other_open = false

---@return boolean
function M.is_open()
  return is_other_open or vim.fn.pumvisible() == 1
end

--- Hide the suggestion while a menu is open; it comes back afterwards if it still fits. Neovim itself would draw it
--- beside the menu.
---@param session dlm_lsp.Session
function M.make_room(session)
  local native = require('dlm_lsp.native')
  ghost.clear(session.buf)
  session.accept_later = nil
  if session.is_native and native.is_showing(session.buf) then
    native.take(session.buf, function(suggestion)
      session:keep(suggestion)
    end)
  end
end

--- The menu was closed, with or without inserting an entry. No event may follow that makes Neovim ask again.
---@param session dlm_lsp.Session
function M.on_closed(session)
  session.at = ''
  if not vim.api.nvim_get_mode().mode:match('^[iR]') then
    return
  end
  session:on_move()
  if session.is_native and not session.request_id and not session:current() then
    session:request(client_of.trigger.AUTOMATIC)
  end
end

---@param is_open boolean
---@param follow fun(session: dlm_lsp.Session)
local function set_other(is_open, follow)
  is_other_open = is_open
  -- The plugin may say so before its menu is on the screen, and where text must not be changed.
  vim.schedule(function()
    local session = require('dlm_lsp.session').of(vim.api.nvim_get_current_buf())
    if session and is_other_open == is_open then
      follow(session)
    end
  end)
end

--- Another plugin has opened its menu.
function M.on_other_opened()
  set_other(true, M.make_room)
end

--- Another plugin has closed its menu. Some say so at every key that finds no entry, where none was open.
function M.on_other_closed()
  if is_other_open then
    set_other(false, M.on_closed)
  end
end

--- Insert mode was left, and every menu with it.
function M.forget()
  is_other_open = false
end

return M
