--- Filling by an edit: the hole at the cursor or a selected range, also where ghost text could not show it.

local client_of = require('dlm_lsp.client')
local ghost = require('dlm_lsp.ghost')
local positions = require('dlm_lsp.positions')
local switch = require('dlm_lsp.switch')

local M = {}

local COMMAND = 'dlmLsp.infillRange'

---@class dlm_lsp.Fill
---@field client vim.lsp.Client
---@field id? integer
---@field is_over? boolean

---@type table<integer, dlm_lsp.Fill> The newest fill of each buffer.
local fills = {}

---@param buf integer
---@return dlm_lsp.Fill?
local function running(buf)
  local newest = fills[buf]
  return newest and not newest.is_over and newest or nil
end

---@param buf integer
---@return boolean
function M.is_busy(buf)
  return running(buf) ~= nil
end

--- Whether a request is the newest fill, finished or not.
---@param buf integer
---@param id integer|string Servers may send the number of a request back as text.
---@return boolean
function M.is_fill(buf, id)
  return fills[buf] ~= nil and tostring(fills[buf].id) == tostring(id)
end

--- Show a draft in place of what it replaces, unless the fill was stopped while the draft was on its way.
---@param buf integer
---@param range lsp.Range
---@param text string
---@param stable dlm_lsp.Span[]
function M.paint(buf, range, text, stable)
  local current = running(buf)
  if not current then
    return
  end
  local encoding = current.client.offset_encoding
  local row, col = positions.from_lsp(buf, range.start, encoding)
  local end_row, end_col = positions.from_lsp(buf, range['end'], encoding)
  ghost.draw(buf, row, col, { chunks = ghost.draft(text, stable, 0) })
  ghost.strike(buf, row, col, end_row, end_col)
end

---@param message string
local function say(message)
  vim.notify('dlm-lsp: ' .. message, vim.log.levels.WARN)
end

---@param buf integer
---@return string[] lines None of a buffer that is gone.
local function text_of(buf)
  return vim.api.nvim_buf_is_valid(buf) and vim.api.nvim_buf_get_lines(buf, 0, -1, false) or {}
end

---@param err? lsp.ResponseError
---@param result? table `InfillRangeResult`
---@param is_news boolean Whether the buffer's text is another one than before.
local function report(err, result, is_news)
  if err and err.code ~= client_of.CANCELLED then
    say(err.message)
  elseif result and not result.applied then
    say('the text changed in the meantime; nothing was filled')
  elseif result and not is_news then
    say('the model wrote the same text that was there before')
  end
end

--- Stop the fill of a buffer.
---@param buf integer
function M.stop(buf)
  local fill = running(buf)
  if fill then
    fill.is_over = true
    ghost.clear(buf)
    client_of.cancel(fill.client, fill.id)
  end
end

---@param buf integer
local function stop_at_the_next_edit(buf)
  local tick = vim.api.nvim_buf_get_changedtick(buf)
  -- After a command by CTRL-O, Insert mode is entered again, which is not the beginning of an edit.
  local goes_on = vim.startswith(vim.api.nvim_get_mode().mode, 'ni')
  vim.api.nvim_create_autocmd({ 'TextChanged', 'TextChangedI', 'InsertEnter' }, {
    group = vim.api.nvim_create_augroup(('dlm_lsp_fill_%d'):format(buf), {}),
    buffer = buf,
    callback = function(event)
      local is_entered = event.event == 'InsertEnter' and not goes_on
      goes_on = goes_on and event.event ~= 'InsertEnter'
      if is_entered or vim.api.nvim_buf_get_changedtick(buf) ~= tick then
        M.stop(buf)
        return true
      end
    end,
  })
end

---@param buf integer
---@param range lsp.Range
---@param client vim.lsp.Client
---@param options? table Of `DecodeOptions`, in camelCase.
local function start(buf, range, client, options)
  M.stop(buf)
  local fill = { client = client }
  fills[buf] = fill
  local before = text_of(buf)
  local arguments = { vim.uri_from_bufnr(buf), range, options }
  fill.id = client_of.execute(client, COMMAND, arguments, function(err, result)
    if running(buf) == fill then
      fill.is_over = true
      ghost.clear(buf)
    end
    report(err, result, not vim.deep_equal(before, text_of(buf)))
  end, buf)
  stop_at_the_next_edit(buf)
end

--- The selected text, or whole lines.
---@param buf integer
---@param line1 integer
---@param line2 integer
---@return integer row
---@return integer col
---@return integer end_row
---@return integer end_col
local function selected(buf, line1, line2)
  local from, to = vim.api.nvim_buf_get_mark(buf, '<'), vim.api.nvim_buf_get_mark(buf, '>')
  local last = positions.line(buf, line2 - 1)
  if vim.fn.visualmode() == 'v' and from[1] == line1 and to[1] == line2 then
    local end_col = math.min(to[2], #last)
    if end_col < #last and vim.o.selection ~= 'exclusive' then
      end_col = end_col + vim.str_utf_end(last, end_col + 1) + 1
    end
    return line1 - 1, from[2], line2 - 1, end_col
  end
  return line1 - 1, 0, line2 - 1, #last
end

--- Start a fill of the current buffer, if it has a server and the number of steps is valid.
---@param steps string A number, or nothing.
---@param locate fun(buf: integer): integer, integer, integer, integer Row and column of the range's ends.
local function fill(steps, locate)
  local buf = vim.api.nvim_get_current_buf()
  local client = client_of.of(buf)
  if not client then
    return say('no server is attached to this buffer; see :checkhealth dlm_lsp')
  end
  if not switch.is_on(buf) then
    local bang = switch.is_own(buf) and '!' or ''
    return say(('switched off here; :DlmEnable%s switches it on'):format(bang))
  end
  if not vim.bo[buf].modifiable then
    return say('this buffer cannot be changed, and a fill is an edit')
  end
  local num_steps = tonumber(steps)
  if steps ~= '' and not num_steps then
    return say(('the number of steps must be a number, got %s'):format(steps))
  end
  local row, col, end_row, end_col = locate(buf)
  local range = {
    start = positions.to_lsp(buf, row, col, client.offset_encoding),
    ['end'] = positions.to_lsp(buf, end_row, end_col, client.offset_encoding),
  }
  start(buf, range, client, num_steps and { numSteps = num_steps })
end

--- Fill the hole at the cursor, such as the body of the function.
---@param steps string Denoise steps at most; empty for the configured number.
function M.at_cursor(steps)
  fill(steps, function()
    local row, col = positions.cursor()
    return row, col, row, col
  end)
end

--- Replace the selected text by a fill.
---@param line1 integer
---@param line2 integer
---@param steps string
function M.selection(line1, line2, steps)
  fill(steps, function(buf)
    return selected(buf, line1, line2)
  end)
end

return M
