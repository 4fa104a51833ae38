-- What the arena reads of a run of wrk: a name and a number on each line.
function done(summary, latency, requests)
    local errors = summary.errors
    local figures = {
        requests = summary.requests,
        elapsed_us = summary.duration,
        errors = errors.connect + errors.read + errors.write + errors.status + errors.timeout,
        p50_us = latency:percentile(50),
        p99_us = latency:percentile(99),
        p999_us = latency:percentile(99.9),
    }
    for name, value in pairs(figures) do
        print(string.format("arena %s %d", name, value))
    end
end
