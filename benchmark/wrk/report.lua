-- One line of JSON after wrk's own report: what was answered, how fast, and what went wrong.
-- Of scripts that look at answers, `wrong` counts, in each thread, what was not the answer that was wanted.
wrong = 0
local threads = {}

function setup(thread)
  table.insert(threads, thread)
end

function done(summary, latency, requests)
  local errors = summary.errors
  local failed = errors.connect + errors.read + errors.write + errors.status + errors.timeout
  for _, thread in ipairs(threads) do
    failed = failed + (thread:get("wrong") or 0)
  end
  io.write(string.format(
    '\n{"requests":%d,"requests_per_s":%.1f,"latency_p50_ms":%.3f,"latency_p99_ms":%.3f,"errors":%d}\n',
    summary.requests,
    summary.requests / (summary.duration / 1e6),
    latency:percentile(50) / 1e3,
    latency:percentile(99) / 1e3,
    failed
  ))
end
