--- One inline completion item at its place in a buffer: the rest that is not typed yet, and how it is inserted.

local positions = require('dlm_lsp.positions')

---@class dlm_lsp.Suggestion
---@field buf integer
---@field row integer Where the text that it repeats begins.
---@field col integer
---@field right string The text right of the cursor; once that changes, the suggestion does not fit any more.
---@field tail string The part of `right` that it replaces.
---@field text string All of it, the typed part included; lines end in `\n`.
---@field last_row integer Where its last line is going to stand.
---@field client_id integer
---@field item table As the server sent it.
local Suggestion = {}
Suggestion.__index = Suggestion

--- A suggestion at the cursor, for the present text of the buffer.
---@param buf integer
---@param client vim.lsp.Client
---@param item table An `lsp.InlineCompletionItem`.
---@return dlm_lsp.Suggestion
function Suggestion.new(buf, client, item)
  local row, col = positions.cursor()
  local start_row, start_col, end_row, end_col = row, col, row, col
  if item.range then
    start_row, start_col = positions.from_lsp(buf, item.range.start, client.offset_encoding)
    end_row, end_col = positions.from_lsp(buf, item.range['end'], client.offset_encoding)
  end
  local right = positions.line(buf, row):sub(col + 1)
  local text = item.insertText:gsub('\r\n?', '\n')
  return setmetatable({
    buf = buf,
    row = start_row,
    col = start_col,
    right = right,
    tail = end_row == row and right:sub(1, math.max(end_col - col, 0)) or '',
    text = text,
    last_row = start_row + select(2, text:gsub('\n', '')),
    client_id = client.id,
    item = item,
  }, Suggestion)
end

--- The part of the text that is typed already; nil if the suggestion cannot continue at the cursor.
---@return string? typed
function Suggestion:typed()
  local row, col = positions.cursor()
  if row < self.row or (row == self.row and col < self.col) or row > self.last_row then
    return nil
  end
  if positions.line(self.buf, row):sub(col + 1) ~= self.right then
    return nil
  end
  return table.concat(vim.api.nvim_buf_get_text(self.buf, self.row, self.col, row, col, {}), '\n')
end

--- The rest that is not typed yet; nil if the buffer's text differs, or nothing is left.
---@return string?
function Suggestion:remainder()
  local typed = self:typed()
  if not typed or not vim.startswith(self.text, typed) then
    return nil
  end
  local rest = self.text:sub(#typed + 1)
  return rest ~= self.tail and rest or nil
end

--- Whether the finished text of a draft may yet continue what is typed: nothing is known from the first `…` on.
---@return boolean
function Suggestion:is_open()
  local typed, known = self:typed(), self.text:match('^(.-)…')
  return typed ~= nil and known ~= nil and vim.startswith(typed, known)
end

--- Replace the text from `row, col` to `end_col` of the cursor's line, and go to the end of the new text.
---@param buf integer
---@param row integer
---@param col integer
---@param end_col integer
---@param text string
local function put(buf, row, col, end_col, text)
  local lines = vim.split(text, '\n', { plain = true })
  vim.api.nvim_buf_set_text(buf, row, col, (positions.cursor()), end_col, lines)
  local last = lines[#lines]
  vim.api.nvim_win_set_cursor(0, { row + #lines, (#lines == 1 and col or 0) + #last })
end

--- Insert the whole text, and replace characters typed since the request (neovim#36529).
function Suggestion:insert()
  local _, col = positions.cursor()
  put(self.buf, self.row, self.col, col + #self.tail, self.text)
end

---@type table<'word'|'line', fun(rest: string): string>
local next_part = {
  word = function(rest)
    return rest:match('^%s*[%w_\128-\255]+') or rest:match('^%s*[^%w_%s\128-\255]+') or rest
  end,
  line = function(rest)
    return rest:match('^\n*[^\n]+') or rest
  end,
}

--- Insert the next word or line, unless that is all that is left.
---@param unit 'word'|'line'
---@return boolean is_inserted
function Suggestion:insert_part(unit)
  local rest = self:remainder()
  local part = rest and next_part[unit](rest)
  if not part or part == rest then
    return false
  end
  local row, col = positions.cursor()
  put(self.buf, row, col, col, part)
  return true
end

return Suggestion
