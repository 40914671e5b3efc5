--- Off and on at run time, everywhere or in one buffer. The server stays, with its model.

local M = {}

local NAME = 'dlm_lsp_enabled'

--- Whether a buffer has a state of its own, which overrules what holds everywhere.
---@param buf integer
---@return boolean
function M.is_own(buf)
  return vim.b[buf][NAME] ~= nil
end

---@param buf? integer Without it, what holds everywhere.
---@return boolean
function M.is_on(buf)
  local value = buf and vim.b[buf][NAME]
  if value == nil then
    value = vim.g[NAME]
  end
  return value ~= false and value ~= 0
end

---@param buf? integer Everywhere without it, except where a buffer has its own.
---@param is_on boolean
function M.set(buf, is_on)
  local variables = buf and vim.b[buf] or vim.g
  variables[NAME] = is_on
end

return M
