"""Formatted code whose blocks words close."""

STACK = """\
local Stack = {}

function Stack:each(visit)
  for _, item in ipairs(self.items) do
    if item.is_open then
      visit(item, function(found)
        self.last = found
      end)
    elseif not item.is_hidden then
      break
    end
  end
  return self
end

local size = function(stack)
  return #stack.items
end
"""
ACCOUNT = """\
class Account < Base
  def transfer(amount, to:)
    raise ArgumentError, "no end" unless amount.positive?

    entries.each do |entry|
      case entry.kind
      when :fee
        skip if entry.small?
      else
        total = if entry.open? then 1 else 2 end
      end
    end
  rescue Failure => error
    log(error)
  end

  def self.all = @all
end
"""
BACKUP = """\
#!/usr/bin/env bash

backup() {
  local file
  for file in "$@"; do
    if [[ -f $file ]]; then
      case $file in
        *.gz|*.xz) continue ;;
        *) gzip "$file" ;;
      esac
    else
      echo "done with ${file#./}" # fi
    fi
  done
  cat <<EOF
if nothing } was done
EOF
}
"""
