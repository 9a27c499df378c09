-- Calls of the classic API, each by one of many people, drawn at random:
--   wrk … -s classic.lua URL -- get_user_info FILE    FILE: a cookie in each line
--   wrk … -s classic.lua URL -- signin FILE           FILE: a form of name and password in each line
require("report")

local requests = {}

function init(arguments)
  local call, file = arguments[1], arguments[2]
  local path = "/api/entrytask/user/" .. call
  for line in io.lines(file) do
    if call == "signin" then
      local headers = { ["Content-Type"] = "application/x-www-form-urlencoded" }
      requests[#requests + 1] = wrk.format("POST", path, headers, line)
    else
      requests[#requests + 1] = wrk.format("GET", path, { ["Cookie"] = line })
    end
  end
  math.randomseed(os.time())
end

function request()
  return requests[math.random(#requests)]
end

-- The status is always 200; the code in the answer tells how it went.
function response(status, headers, body)
  if not string.find(body, '"errCode":"7"', 1, true) then
    wrong = wrong + 1
  end
end
