--- Keys in insert mode. A key that has nothing to do does what it did before.

local accept = require('dlm_lsp.accept')
local config = require('dlm_lsp.config')
local switch = require('dlm_lsp.switch')

local M = {}

local BEFORE = '<Plug>(dlm_lsp_before)'
local OURS = 'dlm-lsp: '

---@class dlm_lsp.Action
---@field call string Of `require('dlm_lsp')`.
---@field description string
---@field is_possible? fun(buf: integer): boolean If not, the key does what it did before.

---@type table<string, dlm_lsp.Action>
local actions = {
  accept = { call = "accept('all')", description = 'Accept the suggestion', is_possible = accept.is_possible },
  accept_word = { call = "accept('word')", description = 'Accept its next word', is_possible = accept.is_possible },
  accept_line = { call = "accept('line')", description = 'Accept its next line', is_possible = accept.is_possible },
  next = { call = 'next()', description = 'Next candidate' },
  prev = { call = 'prev()', description = 'Previous candidate' },
  dismiss = { call = 'dismiss()', description = 'Dismiss the suggestion', is_possible = accept.is_visible },
  invoke = { call = 'invoke()', description = 'Suggest now' },
}

---@type table<integer, table<string, table>> The buffer's own mappings of keys that this plugin has taken.
local replaced = {}

---@type boolean An earlier mapping is at work. If that leads back to a mapping of ours, the key itself is typed.
local is_within = false

---@param maps table[] As `nvim_get_keymap` has them.
---@param lhs string
---@return table?
local function mapping_of(maps, lhs)
  local keys = vim.keycode(lhs)
  return vim.iter(maps):find(function(map)
    return map.lhsraw == keys or map.lhsrawalt == keys
  end)
end

---@param map? table
---@return boolean
local function is_ours(map)
  return map ~= nil and vim.startswith(map.desc or '', OURS)
end

--- Define a mapping in the current buffer, as it was or under another name.
---@param map table
---@param lhs string
local function define(map, lhs)
  local copy = vim.tbl_extend('force', map, { lhs = lhs, lhsraw = vim.keycode(lhs), buffer = 1 })
  copy.lhsrawalt = nil
  vim.fn.mapset('i', false, copy)
end

--- The earlier mapping has ended.
function M.leave()
  is_within = false
end

--- The effect of a key without this plugin. An earlier mapping runs under another name, so that Neovim applies its
--- flags, and before the keys that were typed after this one.
---@param buf integer
---@param lhs string
---@return string keys To be typed in its place.
local function before(buf, lhs)
  local map = (replaced[buf] or {})[lhs] or mapping_of(vim.api.nvim_get_keymap('i'), lhs)
  if is_within or not map then
    return lhs
  end
  define(map, BEFORE)
  local keys = BEFORE
  if map.callback or map.expr == 1 or map.noremap == 0 then
    is_within = true
    keys = keys .. "<Cmd>lua require('dlm_lsp.keymaps').leave()<CR>"
    vim.schedule(M.leave) -- an error drops the keys that are still to come
  end
  vim.api.nvim_feedkeys(vim.keycode(keys), 'im', false)
  return ''
end

--- Bind the configured keys in a buffer. Each begins a new undo step, so that `u` takes back a suggestion alone.
---@param buf integer
function M.set(buf)
  local own = vim.api.nvim_buf_get_keymap(buf, 'i')
  local others = replaced[buf] or {}
  replaced[buf] = others
  for name, lhs in pairs(config.current.keymaps or {}) do
    local action = actions[name]
    if lhs then
      local map = mapping_of(own, lhs)
      if not is_ours(map) then
        others[lhs] = map
      end
      vim.keymap.set('i', lhs, function()
        if not replaced[buf] or not switch.is_on(buf) or (action.is_possible and not action.is_possible(buf)) then
          return before(buf, lhs)
        end
        return ("<C-g>u<Cmd>lua require('dlm_lsp').%s<CR>"):format(action.call)
      end, { buffer = buf, expr = true, desc = OURS .. action.description })
    end
  end
end

--- Restore the mappings that a buffer had before.
---@param buf integer
function M.unset(buf)
  local others = replaced[buf]
  replaced[buf] = nil
  if not others or not vim.api.nvim_buf_is_loaded(buf) then
    return
  end
  for _, map in ipairs(vim.api.nvim_buf_get_keymap(buf, 'i')) do
    if is_ours(map) then
      vim.keymap.del('i', map.lhs, { buffer = buf })
    end
  end
  vim.api.nvim_buf_call(buf, function()
    for lhs, map in pairs(others) do
      define(map, lhs)
    end
  end)
end

return M
