--- LSP positions in any encoding ↔ Neovim's rows and byte columns, both counted from 0.

local M = {}

---@param line string
---@param units integer
---@param encoding 'utf-8'|'utf-16'|'utf-32'
---@return integer bytes At most the length of the line.
function M.to_bytes(line, units, encoding)
  if encoding == 'utf-8' then
    return math.min(units, #line)
  end
  if vim.fn.has('nvim-0.11') == 1 then
    return vim.str_byteindex(line, encoding, units, false)
  end
  local ok, bytes = pcall(vim.str_byteindex, line, units, encoding == 'utf-16')
  return ok and bytes or #line
end

---@param line string
---@param bytes integer
---@param encoding 'utf-8'|'utf-16'|'utf-32'
---@return integer units
local function to_units(line, bytes, encoding)
  if encoding == 'utf-8' then
    return bytes
  end
  if vim.fn.has('nvim-0.11') == 1 then
    return vim.str_utfindex(line, encoding, bytes, false)
  end
  local utf_32, utf_16 = vim.str_utfindex(line, math.min(bytes, #line))
  return encoding == 'utf-16' and utf_16 or utf_32
end

---@param buf integer
---@param row integer
---@return string
function M.line(buf, row)
  return vim.api.nvim_buf_get_lines(buf, row, row + 1, false)[1] or ''
end

--- The last row and its end for a position past the text.
---@param buf integer
---@param position lsp.Position
---@param encoding 'utf-8'|'utf-16'|'utf-32'
---@return integer row
---@return integer col
function M.from_lsp(buf, position, encoding)
  local last = vim.api.nvim_buf_line_count(buf) - 1
  if position.line > last then
    return last, #M.line(buf, last)
  end
  return position.line, M.to_bytes(M.line(buf, position.line), position.character, encoding)
end

---@param buf integer
---@param row integer
---@param col integer
---@param encoding 'utf-8'|'utf-16'|'utf-32'
---@return lsp.Position
function M.to_lsp(buf, row, col, encoding)
  return { line = row, character = to_units(M.line(buf, row), col, encoding) }
end

--- Of the current window.
---@return integer row
---@return integer col
function M.cursor()
  local cursor = vim.api.nvim_win_get_cursor(0)
  return cursor[1] - 1, cursor[2]
end

--- The cursor and the version of the text, to be compared with later ones.
---@return string
function M.whereabouts()
  local row, col = M.cursor()
  return ('%d:%d:%d'):format(vim.b.changedtick, row, col)
end

return M
