--- Keys in insert mode. A key that has nothing to do does what it did before.

local accept = require('dlm_lsp.accept')
local config = require('dlm_lsp.config')

local M = {}

---@class dlm_lsp.Action
---@field call string Of `require('dlm_lsp')`.
---@field description string
---@field is_possible? fun(buf: integer): boolean Where it is not, the key does what it did before.

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

--- What a key does without this plugin.
---@param lhs string
---@return string keys To be typed in its place.
local function before(lhs)
  local keys = vim.api.nvim_replace_termcodes(lhs, true, true, true)
  for _, map in ipairs(vim.api.nvim_get_keymap('i')) do
    if map.lhsraw == keys or map.lhsrawalt == keys then
      if map.callback and map.expr == 1 then
        return map.callback() or ''
      elseif map.callback then
        vim.schedule(map.callback)
        return ''
      end
      if map.expr == 0 and map.noremap == 0 then
        vim.api.nvim_feedkeys(vim.keycode(map.rhs), 'm', false)
        return ''
      end
      return map.expr == 1 and vim.api.nvim_eval(map.rhs) or map.rhs
    end
  end
  return lhs
end

--- Bind the configured keys in a buffer. Each begins a new undo step, for `u` to take a suggestion back by itself.
---@param buf integer
function M.set(buf)
  for name, lhs in pairs(config.current.keymaps or {}) do
    local action = actions[name]
    if lhs then
      vim.keymap.set('i', lhs, function()
        if action.is_possible and not action.is_possible(buf) then
          return before(lhs)
        end
        return ("<C-g>u<Cmd>lua require('dlm_lsp').%s<CR>"):format(action.call)
      end, { buffer = buf, expr = true, desc = 'dlm-lsp: ' .. action.description })
    end
  end
end

return M
