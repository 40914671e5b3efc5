--- Keys in insert mode. A key that has nothing to do does what it did before.

local accept = require('dlm_lsp.accept')
local config = require('dlm_lsp.config')

local M = {}

---@type table<string, { function_name: string, argument?: string, is_accepting?: boolean, description: string }>
local actions = {
  accept = { is_accepting = true, call = "accept('all')", description = 'Accept the suggestion' },
  accept_word = { is_accepting = true, call = "accept('word')", description = 'Accept its next word' },
  accept_line = { is_accepting = true, call = "accept('line')", description = 'Accept its next line' },
  next = { call = 'next()', description = 'Next candidate' },
  prev = { call = 'prev()', description = 'Previous candidate' },
  dismiss = { is_accepting = true, call = 'dismiss()', description = 'Dismiss the suggestion' },
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
      return map.expr == 1 and vim.api.nvim_eval(map.rhs) or map.rhs
    end
  end
  return lhs
end

--- Bind the configured keys in a buffer.
---@param buf integer
function M.set(buf)
  for name, lhs in pairs(config.current.keymaps or {}) do
    local action = actions[name]
    if lhs then
      vim.keymap.set('i', lhs, function()
        if action.is_accepting and not accept.is_possible(buf) then
          return before(lhs)
        end
        -- A new undo step first, so that one `u` takes back the suggestion and nothing else.
        local undo_step = action.is_accepting and '<C-g>u' or ''
        return ("%s<Cmd>lua require('dlm_lsp').%s<CR>"):format(undo_step, action.call)
      end, { buffer = buf, expr = true, desc = 'dlm-lsp: ' .. action.description })
    end
  end
end

return M
