--- Between Neovim's client and the server: sees the answers to Neovim's own requests for inline completions.
---
--- `vim.lsp.inline_completion` shows the answer that arrives last, whatever the text is by then, keeps carriage
--- returns, and does not report what it shows. So an answer to an earlier text is turned into "no news" (null) here.

local client_of = require('dlm_lsp.client')
local config = require('dlm_lsp.config')
local fill = require('dlm_lsp.fill')
local native = require('dlm_lsp.native')
local switch = require('dlm_lsp.switch')

local M = {}

---@param items table[]
local function with_line_feeds(items)
  for _, item in ipairs(items) do
    if type(item.insertText) == 'string' then
      item.insertText = item.insertText:gsub('\r\n?', '\n')
    end
  end
end

---@param params table
---@param callback fun(err?: table, result: any)
local function filtered(params, callback)
  local buf = client_of.buf_of(params.textDocument.uri)
  return function(err, result)
    if err and err.code == client_of.CANCELLED then
      -- Neovim would log every cancelled request as an error.
      return callback(nil, nil)
    end
    local items = type(result) == 'table' and (result.items or result) or {}
    with_line_feeds(items)
    if not buf or not native.observe(buf, items, err and err.message) then
      result = nil
    end
    callback(err, result)
  end
end

--- Neovim's timer also fires after Insert mode was left, during a fill, and where all is switched off.
---@return boolean
local function is_wanted()
  local buf = vim.api.nvim_get_current_buf()
  local is_inserting = vim.api.nvim_get_mode().mode:match('^[iR]') ~= nil
  return is_inserting and switch.is_on(buf) and not fill.is_busy(buf)
end

--- `vim.lsp.Config.cmd`, unless the user gives another one to `vim.lsp.config`. A function, because Neovim would leave
--- out a command that is not there, without a word.
---@param dispatchers vim.lsp.rpc.Dispatchers
---@return vim.lsp.rpc.PublicClient
function M.start(dispatchers)
  return vim.lsp.rpc.start(config.current.cmd, dispatchers)
end

---@type table<integer, true> By client.
local watched = {}

--- Watch the requests that Neovim itself sends to a server, however that was started.
---@param client vim.lsp.Client
function M.watch(client)
  if watched[client.id] then
    return
  end
  watched[client.id] = true
  local rpc = client.rpc
  client.rpc = setmetatable({
    request = function(method, params, callback, ...)
      local is_native = method == client_of.INLINE_COMPLETION
        and params.context.triggerKind == client_of.trigger.AUTOMATIC
      if is_native and not is_wanted() then
        return false
      end
      return rpc.request(method, params, is_native and filtered(params, callback) or callback, ...)
    end,
  }, { __index = rpc })
end

return M
