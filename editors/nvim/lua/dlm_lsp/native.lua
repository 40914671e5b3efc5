--- Neovim's own inline completion (0.12), and workarounds for its gaps.
---
--- It never stops a request when the user types on, draws a suggestion that no longer agrees with the text, draws it
--- beside the popup menu (neovim#37288), and puts characters typed meanwhile in twice (neovim#36529). Everything here
--- goes through its public functions.

local Suggestion = require('dlm_lsp.suggestion')
local client_of = require('dlm_lsp.client')
local menu = require('dlm_lsp.menu')
local status = require('dlm_lsp.status')
local switch = require('dlm_lsp.switch')

local M = {}

---@type table<integer, dlm_lsp.Suggestion[]> The suggestions of the last answer to Neovim's own request, by buffer.
local answered = {}

local function namespace()
  return vim.api.nvim_get_namespaces()['nvim.lsp.inline_completion']
end

---@param buf integer
---@return boolean
function M.is_showing(buf)
  local id = namespace()
  return id ~= nil and #vim.api.nvim_buf_get_extmarks(buf, id, 0, -1, { limit = 1 }) > 0
end

--- See the items of an answer before Neovim does.
---@param buf integer
---@param items table[]
---@param failure? string Why there is no answer.
---@return boolean is_news Whether Neovim may show them: not for a text that has changed, nor beside this plugin's,
--- nor where they are switched off.
function M.observe(buf, items, failure)
  local session = require('dlm_lsp.session').of(buf)
  if not session then
    return false
  end
  if failure then
    session:stop_waiting(failure)
  end
  local client = session.client
  status.concerns(client.id, buf)
  if buf ~= vim.api.nvim_get_current_buf() or session:current() or not switch.is_on(buf) then
    return false
  end
  local suggestions = vim.tbl_map(function(item)
    return Suggestion.new(buf, client, item)
  end, items)
  if suggestions[1] and not suggestions[1]:remainder() then
    return false
  end
  -- Once the menu is closed, or to be accepted at once.
  if menu.is_open() or session.accept_later then
    session:show(suggestions)
    return false
  end
  answered[buf] = suggestions
  session:clear()
  if not suggestions[1] then
    return true
  end
  client_of.notify(client, 'textDocument/didShowCompletion', { item = items[1] })
  return true
end

--- Leave a buffer.
---@param buf integer
function M.forget(buf)
  answered[buf] = nil
end

---@param buf integer
function M.enable(buf)
  vim.lsp.inline_completion.enable(true, { bufnr = buf })
end

--- The suggestion behind an item of Neovim's, which may belong to another server.
---@param buf integer
---@param item vim.lsp.inline_completion.Item
---@return dlm_lsp.Suggestion
local function suggestion_of(buf, item)
  for _, suggestion in ipairs(answered[buf] or {}) do
    if suggestion.client_id == item.client_id and suggestion.item.insertText == item.insert_text then
      return suggestion
    end
  end
  local range = item.range and item.range:to_lsp('utf-8')
  local lsp_item = { insertText = item.insert_text, range = range, command = item.command }
  return Suggestion.new(buf, { id = item.client_id, offset_encoding = 'utf-8' }, lsp_item)
end

--- Take over the suggestion that Neovim shows; Neovim forgets it.
---@param buf integer
---@param use fun(suggestion: dlm_lsp.Suggestion)
function M.take(buf, use)
  vim.lsp.inline_completion.get({
    bufnr = buf,
    on_accept = function(item)
      if type(item.insert_text) == 'table' then
        return vim.snippet.expand(item.insert_text.value)
      end
      use(suggestion_of(buf, item))
    end,
  })
end

--- Hide the suggestion that Neovim shows, if there is one.
---@param buf integer
function M.dismiss(buf)
  if M.is_showing(buf) then
    vim.lsp.inline_completion.get({ bufnr = buf, on_accept = function() end })
  end
end

--- Hide a suggestion of ours where it is switched off, or does not fit the text any more: Neovim would draw the wrong
--- half of it.
---@param buf integer
function M.drop_unwanted(buf)
  local shown = answered[buf]
  local is_wanted = shown and switch.is_on(buf) and vim.iter(shown):any(Suggestion.remainder)
  if shown and not is_wanted and M.is_showing(buf) then
    answered[buf] = nil
    M.dismiss(buf)
  end
end

return M
