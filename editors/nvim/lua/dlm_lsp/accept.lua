--- Accepting a suggestion, or its next word or line, whether Neovim or this plugin shows it.

local Session = require('dlm_lsp.session')
local client_of = require('dlm_lsp.client')
local fill = require('dlm_lsp.fill')
local ghost = require('dlm_lsp.ghost')
local native = require('dlm_lsp.native')

local M = {}

---@alias dlm_lsp.Unit 'all'|'word'|'line'

local namespace = vim.api.nvim_create_namespace('dlm_lsp_accept')

---@param suggestion dlm_lsp.Suggestion
local function tell_accepted(suggestion)
  local command = suggestion.item.command
  local client = vim.lsp.get_client_by_id(suggestion.client_id)
  if command and client then
    client_of.execute(client, command.command, command.arguments, function() end, suggestion.buf)
  end
end

---@param suggestion dlm_lsp.Suggestion
local function tell_partly_accepted(suggestion)
  local client = vim.lsp.get_client_by_id(suggestion.client_id)
  if client then
    client_of.notify(client, 'textDocument/didPartiallyAcceptCompletion', { item = suggestion.item })
  end
end

---@param suggestion dlm_lsp.Suggestion
---@param unit dlm_lsp.Unit
local function insert(suggestion, unit)
  -- Text typed after this is an undo step of its own; the key that accepts has begun the present one.
  vim.api.nvim_feedkeys(vim.keycode('<C-g>u'), 'ni', false)
  if unit ~= 'all' and suggestion:insert_part(unit) then
    return tell_partly_accepted(suggestion)
  end
  suggestion:insert()
  Session.of(suggestion.buf):clear()
  tell_accepted(suggestion)
end

---@param session dlm_lsp.Session
---@return boolean
local function has_suggestion(session)
  return session:is_showing() or (session.is_native and native.is_showing(session.buf))
end

---@param session dlm_lsp.Session
---@return boolean
local function has_draft(session)
  return session.draft ~= nil and session.draft.place:remainder() ~= nil
end

--- Whether something is drawn that can be accepted, now or once it is finished.
---@param buf integer
---@return boolean
function M.is_possible(buf)
  local session = Session.of(buf)
  if not session then
    return false
  end
  return has_suggestion(session) or (ghost.is_drawn(buf) and (has_draft(session) or fill.is_busy(buf)))
end

--- Whether anything is drawn, drafts included.
---@param buf integer
---@return boolean
function M.is_visible(buf)
  return ghost.is_drawn(buf) or native.is_showing(buf)
end

--- Accept a draft once it is finished, unless another key is pressed before.
---@param session dlm_lsp.Session
---@param unit dlm_lsp.Unit
local function accept_later(session, unit)
  local function accept()
    M.accept(unit)
  end
  session.accept_later = accept
  session:paint()
  vim.on_key(function(_, typed)
    local is_over = session.accept_later ~= accept
    if is_over or typed ~= '' then
      vim.on_key(nil, namespace)
    end
    if not is_over and typed ~= '' then
      session.accept_later = nil
      vim.schedule(function()
        if Session.of(session.buf) == session then
          session:paint()
        end
      end)
    end
  end, namespace)
end

--- Accept what is shown in the current buffer; nothing happens when nothing is. A fill goes into the text by itself.
---@param unit dlm_lsp.Unit
function M.accept(unit)
  local buf = vim.api.nvim_get_current_buf()
  local session = Session.of(buf)
  if not session then
    return
  end
  if not has_suggestion(session) then
    return has_draft(session) and accept_later(session, unit)
  end
  if session:is_showing() then
    return insert(assert(session:current()), unit)
  end
  native.take(buf, function(suggestion)
    if unit ~= 'all' and suggestion:remainder() then
      -- Neovim forgets its suggestion, so that this plugin has to keep the rest.
      session:keep(suggestion)
    end
    insert(suggestion, unit)
  end)
end

return M
