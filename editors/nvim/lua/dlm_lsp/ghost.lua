--- Draws text that is not in the buffer, by extmarks. Knows nothing of requests.

local M = {}

local namespace = vim.api.nvim_create_namespace('dlm_lsp')

---@alias dlm_lsp.Span [integer, integer] Half-open, in bytes of the text.
---@alias dlm_lsp.Chunk [string, string] Text and its highlight group.

--- The groups of this plugin; a colour scheme or the user may define any of them.
function M.define_highlights()
  local complement = vim.fn.hlexists('ComplHint') == 1 and 'ComplHint' or 'Comment'
  local links = {
    DlmLspGhost = complement,
    DlmLspHint = 'NonText',
    DlmLspDraft = complement,
    DlmLspDraftUnstable = 'NonText',
    DlmLspReplaced = 'DiffDelete',
  }
  for name, link in pairs(links) do
    vim.api.nvim_set_hl(0, name, { link = link, default = true })
  end
end

--- One chunk for the whole text.
---@param text string
---@return dlm_lsp.Chunk[]
function M.plain(text)
  return { { text, 'DlmLspGhost' } }
end

--- Settled text beside text that may still change.
---@param text string
---@param stable dlm_lsp.Span[] Ascending, and counted from before what is typed.
---@param num_typed integer Bytes that are not in the text any more.
---@return dlm_lsp.Chunk[]
function M.draft(text, stable, num_typed)
  local chunks, at = {}, 0
  local function push(upto, group)
    upto = math.min(upto, #text)
    if upto > at then
      table.insert(chunks, { text:sub(at + 1, upto), group })
      at = upto
    end
  end
  for _, span in ipairs(stable) do
    push(span[1] - num_typed, 'DlmLspDraftUnstable')
    push(span[2] - num_typed, 'DlmLspDraft')
  end
  push(#text, 'DlmLspDraftUnstable')
  return chunks
end

---@param chunks dlm_lsp.Chunk[]
---@return dlm_lsp.Chunk[][] lines At least one.
local function split_lines(chunks)
  local lines = { {} }
  for _, chunk in ipairs(chunks) do
    for number, part in ipairs(vim.split(chunk[1], '\n', { plain = true })) do
      if number > 1 then
        table.insert(lines, {})
      end
      table.insert(lines[#lines], { part, chunk[2] })
    end
  end
  return lines
end

---@param chunks dlm_lsp.Chunk[]
---@return integer cells
local function width(chunks)
  return vim.iter(chunks):fold(0, function(sum, chunk)
    return sum + vim.fn.strdisplaywidth(chunk[1])
  end)
end

--- Text to draw. The text right of it moves on, below the last line if there are several.
---@class dlm_lsp.Ghost
---@field chunks dlm_lsp.Chunk[]
---@field right? string The buffer's text right of the place.
---@field tail? string The beginning of `right`, which the text replaces.
---@field hint? string Drawn after the text.

---@param ghost dlm_lsp.Ghost
---@return dlm_lsp.Chunk[][] lines
---@return 'inline'|'overlay' position
local function arrange(ghost)
  local lines = split_lines(ghost.chunks)
  local right, tail = ghost.right or '', ghost.tail or ''
  local last = lines[#lines]
  local is_inserted = #lines == 1 and vim.endswith(last[#last][1], tail)
  if is_inserted then
    last[#last] = { last[#last][1]:sub(1, #last[#last][1] - #tail), last[#last][2] }
  elseif right ~= '' then
    table.insert(last, { right:sub(#tail + 1), 'Normal' })
    local uncovered = vim.fn.strdisplaywidth(right) - width(lines[1])
    table.insert(lines[1], { (' '):rep(math.max(uncovered, 0)), 'Normal' })
  end
  if ghost.hint then
    table.insert(last, { ghost.hint, 'DlmLspHint' })
  end
  return lines, (is_inserted or right == '') and 'inline' or 'overlay'
end

--- Draw, and clear everything drawn before.
---@param buf integer
---@param row integer
---@param col integer
---@param ghost dlm_lsp.Ghost
function M.draw(buf, row, col, ghost)
  local lines, position = arrange(ghost)
  M.clear(buf)
  vim.api.nvim_buf_set_extmark(buf, namespace, row, col, {
    id = 1,
    virt_text = lines[1],
    virt_text_pos = position,
    virt_lines = #lines > 1 and vim.list_slice(lines, 2) or nil,
    hl_mode = 'combine',
    right_gravity = true,
  })
end

--- Mark text that is going to be replaced; drawn beside the rest, and cleared with it.
---@param buf integer
---@param row integer
---@param col integer
---@param end_row integer
---@param end_col integer
function M.strike(buf, row, col, end_row, end_col)
  local options = { id = 2, end_row = end_row, end_col = end_col, hl_group = 'DlmLspReplaced' }
  vim.api.nvim_buf_set_extmark(buf, namespace, row, col, options)
end

---@param buf integer
function M.clear(buf)
  if vim.api.nvim_buf_is_valid(buf) then
    vim.api.nvim_buf_clear_namespace(buf, namespace, 0, -1)
  end
end

---@param buf integer
---@return boolean
function M.is_drawn(buf)
  return #vim.api.nvim_buf_get_extmarks(buf, namespace, 0, -1, { limit = 1 }) > 0
end

return M
