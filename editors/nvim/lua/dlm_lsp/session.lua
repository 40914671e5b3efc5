--- Ghost text of one buffer: the suggestion, the request, and how both follow the keys.
---
--- With a `native` surface Neovim requests and draws by itself. Then this module only draws what Neovim cannot: drafts,
--- the rest of a suggestion after its first word or line, and the candidates of an explicit request.

local client_of = require('dlm_lsp.client')
local fill = require('dlm_lsp.fill')
local ghost = require('dlm_lsp.ghost')
local menu = require('dlm_lsp.menu')
local native = require('dlm_lsp.native')
local positions = require('dlm_lsp.positions')
local status = require('dlm_lsp.status')
local Suggestion = require('dlm_lsp.suggestion')
local switch = require('dlm_lsp.switch')

---@class dlm_lsp.Session
---@field buf integer
---@field client vim.lsp.Client
---@field is_native boolean
---@field candidates dlm_lsp.Suggestion[]
---@field index integer
---@field draft? { place: dlm_lsp.Suggestion, stable: dlm_lsp.Span[] }
---@field accept_later? fun() What to do with the finished draft, as long as no other key is pressed.
---@field request_id? integer
---@field rest? table The pause after which to ask for the place that the cursor went to.
---@field at string Text and cursor at the last event.
---@field stopped_id integer Of the newest request that was stopped; a draft of it may still be on its way.
local Session = {}
Session.__index = Session

--- How long the cursor has to rest before it is asked for where it went without an edit; Neovim's own pause.
local REST_MS = 200

---@type table<integer, dlm_lsp.Session>
local sessions = {}

---@param buf integer
---@return dlm_lsp.Session?
function Session.of(buf)
  return sessions[buf]
end

--- The suggestion, if it still fits the text.
---@return dlm_lsp.Suggestion?
function Session:current()
  local candidate = self.candidates[self.index]
  return candidate and candidate:remainder() and candidate or nil
end

--- Whether an accepting key has something of this module's to accept.
---@return boolean
function Session:is_showing()
  return ghost.is_drawn(self.buf) and self:current() ~= nil
end

--- There is nothing to accept after all; say why, if that was waited for.
---@param reason string
function Session:stop_waiting(reason)
  if self.accept_later then
    self.accept_later = nil
    vim.notify('dlm-lsp: ' .. (reason ~= '' and reason or 'there is nothing to accept'), vim.log.levels.WARN)
  end
end

--- Draw the suggestion or the draft, if it fits.
---@return boolean is_drawn
function Session:paint()
  ghost.clear(self.buf)
  local place = self:current() or (self.draft and self.draft.place)
  local rest = place and place:remainder()
  if not place or not rest or menu.is_open() then
    return false
  end
  local row, col = positions.cursor()
  local num_typed = #place.text - #rest
  local chunks = self:current() and ghost.plain(rest) or ghost.draft(rest, self.draft.stable, num_typed)
  local hint = #self.candidates > 1 and (' (%d/%d)'):format(self.index, #self.candidates)
    or self.accept_later and ' ⇥'
    or nil
  ghost.draw(self.buf, row, col, { chunks = chunks, right = place.right, tail = place.tail, hint = hint })
  return true
end

--- Ask the server for suggestions at the cursor, unless it is switched off; a request that still runs is superseded.
---@param kind dlm_lsp.Trigger
---@param is_again? boolean
function Session:request(kind, is_again)
  if not switch.is_on(self.buf) then
    return
  end
  local params = client_of.inline_completion_params(self.client, self.buf, kind)
  local asked_at = positions.whereabouts()
  -- This may run before the events of keys that were typed earlier; those events must not stop the request.
  self.at = asked_at
  local id
  id = client_of.request(self.client, client_of.INLINE_COMPLETION, params, function(err, result)
    status.concerns(self.client.id, self.buf)
    if self.request_id ~= id or asked_at ~= positions.whereabouts() then
      return
    end
    self.request_id = nil
    if err then
      self:drop_draft()
      -- Neovim's own request, sent after a pause in typing, has superseded this explicit one.
      local is_overtaken = err.code == client_of.CANCELLED and kind == client_of.trigger.INVOKED
      if is_overtaken and not is_again then
        return self:request(kind, true)
      end
      return self:stop_waiting(err.message)
    end
    self:take(result and (result.items or result) or {})
  end, self.buf)
  self.request_id, self.rest = id, nil
  client_of.cancel_inline_completions(self.client, self.buf, id)
end

--- Show the items of an answer, unless they have been switched off meanwhile.
---@param items table[]
function Session:take(items)
  if not switch.is_on(self.buf) then
    return self:clear()
  end
  self:show(vim.tbl_map(function(item)
    return Suggestion.new(self.buf, self.client, item)
  end, items))
end

---@param candidates dlm_lsp.Suggestion[]
function Session:show(candidates)
  self.draft, self.candidates, self.index = nil, candidates, 1
  if #candidates == 0 then
    self:stop_waiting(status.of(self.buf).message)
  else
    native.dismiss(self.buf)
  end
  local accept = self.accept_later
  self.accept_later = nil
  if self:paint() then
    client_of.notify(self.client, 'textDocument/didShowCompletion', { item = candidates[1].item })
    if accept then
      accept()
    end
  end
end

--- Paint a draft over the one before.
---@param id integer|string Of the request that it belongs to.
---@param item table Range and text as an inline completion item would carry them.
---@param stable dlm_lsp.Span[]
function Session:sharpen(id, item, stable)
  if (tonumber(id) or math.huge) <= self.stopped_id then
    return
  end
  local place = Suggestion.new(self.buf, self.client, item)
  local is_taken = self:current() ~= nil or native.is_showing(self.buf)
  if place.row == positions.cursor() and not is_taken then
    self.draft = { place = place, stable = stable }
    self:paint()
  end
end

--- Remove a draft that led to no result.
function Session:drop_draft()
  if self.draft then
    self.draft = nil
    self:paint()
  end
end

--- Show a suggestion that Neovim has shown before, in place of the present ones.
---@param suggestion dlm_lsp.Suggestion
function Session:keep(suggestion)
  self.candidates, self.index = { suggestion }, 1
end

--- Forget suggestions and draft.
function Session:clear()
  self.candidates, self.index, self.draft, self.accept_later = {}, 1, nil, nil
  ghost.clear(self.buf)
end

--- Forget suggestions and draft, and stop running requests.
function Session:stop()
  self:clear()
  self.request_id, self.rest = nil, nil
  local newest = client_of.cancel_inline_completions(self.client, self.buf)
  self.stopped_id = math.max(self.stopped_id, newest)
end

--- Forget everything that belongs to Insert mode.
function Session:leave_insert()
  self:stop()
  native.dismiss(self.buf)
  self.at = ''
end

--- Ask once the cursor rests. The server counts its pause from the last edit: each step of an arrow key that is held
--- down would start the model.
function Session:request_at_rest()
  self:stop()
  local rest = {}
  self.rest = rest
  vim.defer_fn(function()
    if self.rest == rest and not fill.is_busy(self.buf) then
      self:request(client_of.trigger.AUTOMATIC)
    end
  end, REST_MS)
end

--- Follow the text and the cursor.
function Session:on_move()
  if self.at == positions.whereabouts() or fill.is_busy(self.buf) then
    return
  end
  local is_edited = not vim.startswith(self.at, ('%d:'):format(vim.b.changedtick))
  self.at = positions.whereabouts()
  if not switch.is_on(self.buf) then
    self:stop()
    native.drop_unwanted(self.buf)
    return
  end
  local is_showing = self:current() ~= nil
  local is_drawn = self:paint()
  if is_showing and (is_drawn or menu.is_open()) then
    return
  end
  local goes_on = is_drawn or (self.draft ~= nil and self.draft.place:is_open())
  if not goes_on then
    self:clear()
  end
  if self.is_native then
    native.drop_unwanted(self.buf)
    -- A draft that may agree with the typed text goes on. Anything else is stopped here, because Neovim does not.
    if not goes_on then
      self:stop()
    end
  elseif not menu.is_open() then
    local ask = is_edited and self.request or self.request_at_rest
    ask(self, client_of.trigger.AUTOMATIC)
  end
end

--- Show the next candidate, or ask for some.
---@param count integer
function Session:cycle(count)
  if #self.candidates > 1 and self:current() then
    self.index = (self.index - 1 + count) % #self.candidates + 1
    self:paint()
  else
    self:request(client_of.trigger.INVOKED)
  end
end

---@param autocommands table<string, fun()>
---@param buf integer
local function listen(autocommands, buf)
  local group = vim.api.nvim_create_augroup(('dlm_lsp_session_%d'):format(buf), {})
  for events, callback in pairs(autocommands) do
    vim.api.nvim_create_autocmd(vim.split(events, ' '), { group = group, buffer = buf, callback = callback })
  end
end

--- Follow a buffer from now on, in place of a session that its old server may have left there.
---@param client vim.lsp.Client
---@param buf integer
---@param is_native boolean
function Session.attach(client, buf, is_native)
  Session.detach(buf)
  local self = setmetatable({ buf = buf, client = client, is_native = is_native, at = '' }, Session)
  self.candidates, self.index, self.stopped_id = {}, 1, 0
  sessions[buf] = self
  listen({
    ['InsertEnter TextChangedI TextChangedP CursorMovedI'] = function()
      self:on_move()
    end,
    ['InsertLeave BufLeave'] = function()
      self:leave_insert()
    end,
    ['CompleteChanged'] = vim.schedule_wrap(function()
      menu.make_room(self)
    end),
    ['CompleteDone'] = vim.schedule_wrap(function()
      menu.on_closed(self)
    end),
  }, buf)
end

---@param buf integer
function Session.detach(buf)
  local self = sessions[buf]
  if self then
    self:clear()
    self.request_id, self.rest = nil, nil
    sessions[buf] = nil
    vim.api.nvim_del_augroup_by_name(('dlm_lsp_session_%d'):format(buf))
  end
end

return Session
