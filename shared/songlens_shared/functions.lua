#!lua name=songlens
-- revision 1

-- The atomic steps of a request's life. Any language calls them with FCALL; docs/protocol.md gives keys and arguments.
-- All keys of one call carry the same hash tag. Every step that ends an entry acknowledges and deletes it in the
-- same call, so memory stays flat (XACK alone never frees an entry).

local DEFAULT_LIMITS = {
    ['interactive.depth'] = 1000, ['interactive.bytes'] = 256 * 1024 * 1024,
    ['bulk.depth'] = 10000, ['bulk.bytes'] = 1024 * 1024 * 1024,
}

local function server_ms()
    local time = redis.call('TIME')
    return tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end

local MAX_TTL_MS = 7 * 24 * 3600 * 1000
local MAX_NUMBER = 2 ^ 53

-- Everything that a call could fail by is looked at before its first write: a function that fails later leaves half of
-- its work behind.
local function whole(number, least, most) return number and number % 1 == 0 and number >= least and number <= most end

-- Raises BADREQUEST unless these arguments are there, and those are whole numbers from `least` on.
local function check_args(args, needed, numbers, least)
    for i = 1, needed do
        if not args[i] then error({ err = 'BADREQUEST ' .. needed .. ' arguments are needed' }) end
    end
    for _, i in ipairs(numbers) do
        if not whole(tonumber(args[i]), least, MAX_TTL_MS) then
            error({ err = 'BADREQUEST argument ' .. i .. ' must be a whole number from ' .. least .. ' on' })
        end
        args[i] = string.format('%d', tonumber(args[i])) -- 1e3 and 0x10 are numbers to Lua, and none to the server
    end
end

-- Raise for a key that is missing, or that holds something else. Not by TYPE, which no role of ours may call.
local function check_stream(key) redis.call('XLEN', key) end
local function check_string(key) redis.call('STRLEN', key) end

-- Its length, or nil for a key that is missing here, or that holds something else.
local function stream_length(key)
    local length = key and redis.pcall('XLEN', key)
    return type(length) == 'number' and length or nil
end

-- The same for the stream at position `i`, whose payload bytes are counted by the next key.
local function check_counted(keys, i)
    check_stream(keys[i])
    if keys[i + 1] ~= keys[i] .. ':bytes' then
        error({ err = 'BADREQUEST the counter of a stream must have its name and :bytes' })
    end
    local bytes = redis.call('GET', keys[i + 1])
    if bytes and not whole(tonumber(bytes), -MAX_NUMBER, MAX_NUMBER) then
        error({ err = 'BADREQUEST the counter of a stream is no number' })
    end
end

-- Raises BADREQUEST where one key is given for two things.
local function check_distinct(keys)
    local seen = {}
    for _, key in ipairs(keys) do
        if seen[key] then error({ err = 'BADREQUEST one key is given twice' }) end
        seen[key] = true
    end
end

local function limit(limits_key, lane, what)
    local field = lane .. '.' .. what
    return tonumber(redis.call('HGET', limits_key, field) or DEFAULT_LIMITS[field])
end

-- By Little's law the oldest entry's age is about the whole wait; a quarter of it frees a quarter of the lane.
local function retry_after_ms(stream, now)
    local oldest = redis.call('XRANGE', stream, '-', '+', 'COUNT', 1)
    if not oldest[1] then return 100 end
    local age = now - tonumber(string.match(oldest[1][1], '^%d+'))
    return math.max(100, math.min(5000, math.floor(age / 4)))
end

local function remove(stream, entry, payload_bytes)
    if redis.call('XDEL', stream, entry) == 1 then
        redis.call('DECRBY', stream .. ':bytes', payload_bytes)
    end
end

-- Ends an entry. True only for the first caller: whoever comes later finds nothing left to acknowledge.
local function take_off(stream, group, entry, payload_bytes)
    if redis.call('XACK', stream, group, entry) == 0 then return false end
    remove(stream, entry, payload_bytes)
    return true
end

-- The counter starts anew with every backlog: whatever was added or deleted behind its back is forgiven then.
local function enqueue(stream, id, client, deadline, payload)
    local waiting = redis.call('XLEN', stream)
    local entry = redis.call('XADD', stream, '*', 'm', payload, 'id', id, 'client', client, 'deadline', deadline)
    if waiting == 0 then redis.call('SET', stream .. ':bytes', #payload)
    else redis.call('INCRBY', stream .. ':bytes', #payload) end
    return stream .. ' ' .. entry
end

-- Deletes what a stream has held for longer. Exact, unlike trimming by length: somebody was promised that it is gone.
local function trim_by_age(stream, kept_s)
    redis.call('XTRIM', stream, 'MINID', string.format('%d', server_ms() - tonumber(kept_s) * 1000))
end

-- Adds a reply, and counts those that a full channel loses before their time: whoever reads it is as far behind.
local function tell(replies, id, told, replies_max)
    local before = stream_length(replies)
    if not before then return false end
    redis.call('XADD', replies, 'MAXLEN', '~', replies_max, '*', 'id', id, 'm', told)
    local partition = before >= tonumber(replies_max) and string.match(replies, '^[^}]*}')
    local lost = partition and before + 1 - redis.call('XLEN', replies) or 0
    if lost > 0 then redis.pcall('INCRBY', partition .. ':trimmed', lost) end -- never worth a reply
    return true
end

-- Notes a request under its user, for as long as anything of it may be kept. Called before anything else is written,
-- for it fails where the key is something else.
local function note(user, id, client, now, kept_ms)
    redis.call('ZREMRANGEBYSCORE', user, '-inf', now)
    redis.call('ZADD', user, now + kept_ms, id .. ' ' .. client)
    if redis.call('PTTL', user) < kept_ms then redis.call('PEXPIRE', user, kept_ms) end
end

-- Stores the one reply of a request and tells its client: by the reply itself, or by a notice that it is there. A client
-- whose channel is no stream can still fetch it by id.
local function answer(result, replies, channel, id, reply, result_ttl_s, replies_ttl_s, replies_max, notice)
    local told = notice or reply
    if redis.call('STRLEN', result) > 0 then return 0 end
    redis.call('SET', result, reply, 'EX', result_ttl_s)
    if tell(replies, id, told, replies_max) then
        trim_by_age(replies, replies_ttl_s)
        redis.call('EXPIRE', replies, replies_ttl_s)
    end
    redis.call('SPUBLISH', channel, told)
    return 1
end

-- What is wrong with the arguments of submit, or nil.
local function refusal(lane, ttl_ms, result_ttl_s, noted_s)
    if not DEFAULT_LIMITS[lane .. '.depth'] then return 'unknown lane; use interactive or bulk' end
    if not whole(ttl_ms, 1, MAX_TTL_MS) then return 'ttl_ms must be a whole number between 1 and ' .. MAX_TTL_MS end
    if not whole(result_ttl_s, 1, MAX_TTL_MS) then return 'result_ttl_s must be a whole number of at least 1' end
    if not whole(noted_s, 1, MAX_TTL_MS) then return 'noted_s must be a whole number of at least 1' end
end

-- KEYS: lane stream, its byte counter, result, limits, place (optional: without it the request cannot be taken out),
--       user (optional: without it what is kept of the request cannot be found by its user)
-- ARGV: lane, id, client, payload, ttl_ms, result_ttl_s, noted_s (optional: how long past its result it stays noted)
-- Returns {'accepted', server ms, deadline ms} | {'pending', server ms} | {'done', server ms, reply} |
--         {'full', retry_after_ms, depth, bytes}; the error BADREQUEST for a lane or time that cannot be
local function submit(keys, args)
    check_args(args, 6, {}, 1)
    check_distinct(keys)
    check_counted(keys, 1)
    check_string(keys[3])
    if keys[5] then check_string(keys[5]) end
    local stream, counter, result, limits = keys[1], keys[2], keys[3], keys[4]
    local lane, id, client, payload = args[1], args[2], args[3], args[4]
    local ttl_ms, result_ttl_s, noted_s = tonumber(args[5]), tonumber(args[6]), tonumber(args[7] or args[6])
    local refused = refusal(lane, ttl_ms, result_ttl_s, noted_s)
    if refused then return redis.error_reply('BADREQUEST ' .. refused) end
    local now = server_ms()
    local stored = redis.call('GET', result)
    if stored == '' then return {'pending', now} end
    if stored then return {'done', now, stored} end
    local depth = redis.call('XLEN', stream)
    local waiting = depth > 0 and tonumber(redis.call('GET', counter) or 0) or 0
    if depth + 1 > limit(limits, lane, 'depth') or waiting + #payload > limit(limits, lane, 'bytes') then
        return {'full', retry_after_ms(stream, now), depth, waiting}
    end
    local deadline, kept_ms = now + ttl_ms, ttl_ms + result_ttl_s * 1000
    if keys[6] then note(keys[6], id, client, now, kept_ms + noted_s * 1000) end
    local place = enqueue(stream, id, client, string.format('%d', deadline), payload)
    redis.call('SET', result, '', 'PX', kept_ms)
    if keys[5] then redis.call('SET', keys[5], place, 'PX', kept_ms) end
    return {'accepted', now, deadline}
end

-- KEYS: source stream, its byte counter, next stream, its byte counter, place (optional)
-- ARGV: group, entry, source payload bytes, id, client, deadline ms, next payload
-- Returns 1, or 0 where another worker has ended the entry before.
local function hand_over(keys, args)
    check_args(args, 7, { 3 }, 0)
    check_distinct({ keys[2], keys[3] }) -- a stage may hand over to its own stream
    check_counted(keys, 1)
    check_counted(keys, 3)
    if keys[5] then check_string(keys[5]) end
    if not take_off(keys[1], args[1], args[2], tonumber(args[3])) then return 0 end
    local place = enqueue(keys[3], args[4], args[5], args[6], args[7])
    if keys[5] then redis.call('SET', keys[5], place, 'XX', 'KEEPTTL') end
    return 1
end

local function check_answer(keys, args)
    check_args(args, 9, { 3 }, 0)
    check_args(args, 9, { 7, 8, 9 }, 1)
    check_distinct(keys)
    check_counted(keys, 1)
    check_string(keys[3])
end

-- KEYS: source stream, its byte counter, result, replies, place (optional)
-- ARGV: group, entry, source payload bytes, id, reply channel, reply, result_ttl_s, replies_ttl_s, replies_max,
--       notice (optional: what the client is told instead of the reply)
-- Returns 1 when this reply was stored, 0 where the request had been answered or handed over before.
local function finish(keys, args)
    check_answer(keys, args)
    if not take_off(keys[1], args[1], args[2], tonumber(args[3])) then return 0 end
    if keys[5] then redis.call('DEL', keys[5]) end
    return answer(keys[3], keys[4], args[5], args[4], args[6], args[7], args[8], args[9], args[10])
end

-- KEYS: source stream, its byte counter, result, replies, dead stream, place (optional)
-- ARGV: as finish without the notice, then: client, deadline ms, stage, error, deliveries, dead_max, source payload, dead_ttl_s (optional)
-- Returns 1 when the entry became a dead letter.
local function bury(keys, args)
    check_answer(keys, args)
    check_args(args, 16, { 15 }, 1)
    if args[17] then check_args(args, 17, { 17 }, 1) end
    check_stream(keys[5])
    if not take_off(keys[1], args[1], args[2], tonumber(args[3])) then return 0 end
    redis.call('XADD', keys[5], 'MAXLEN', '~', args[15], '*', 'm', args[16], 'id', args[4], 'client', args[10],
        'deadline', args[11], 'stage', args[12], 'error', args[13], 'deliveries', args[14], 'source', keys[1])
    if args[17] then
        trim_by_age(keys[5], args[17])
        redis.call('EXPIRE', keys[5], args[17])
    end
    if keys[6] then redis.call('DEL', keys[6]) end
    answer(keys[3], keys[4], args[5], args[4], args[6], args[7], args[8], args[9])
    return 1
end

-- The stream and the entry at 'STREAM ENTRY', if it still lies there.
local function entry_at(place)
    local stream, entry = string.match(place or '', '^(%S+) (%S+)$')
    return stream, stream and redis.call('XRANGE', stream, entry, entry)[1]
end

-- KEYS: result, place
-- ARGV: id, reply, result_ttl_s, replies_ttl_s, replies_max, group of the lanes, group of the hits,
--       'STREAM ENTRY' where the caller has seen it (optional: for one whose place was never written, or has expired)
-- Takes a request out, wherever it lies, and answers it. A worker that holds it finds nothing left to end.
-- Returns 1, 0 where it has been answered, or -1 where no such request is known.
local function cancel(keys, args)
    check_args(args, 7, { 3, 4, 5 }, 1)
    check_distinct(keys)
    local stored, seen = redis.call('GET', keys[1]), args[8]
    if not seen and not stored then return -1 end
    if not seen and stored ~= '' then return 0 end
    local stream, found = entry_at(seen)
    if not found then stream, found = entry_at(redis.call('GET', keys[2])) end
    if not found then
        if stored and stored ~= '' then return 0 end
        redis.call('SET', keys[1], args[2], 'EX', args[3])
        return 1
    end
    local entry, fields = found[1], {}
    for i = 1, #found[2], 2 do fields[found[2][i]] = found[2][i + 1] end
    local partition = string.match(stream, '^[^}]*}')
    if not (partition and fields.m and fields.client) then
        return redis.error_reply('BADREQUEST the entry of this request was not written by songlens_submit')
    end
    check_counted({ stream, stream .. ':bytes' }, 1)
    redis.call('XACK', stream, args[6], entry)
    redis.call('XACK', stream, args[7], entry)
    remove(stream, entry, #fields.m)
    redis.call('DEL', keys[2])
    return answer(keys[1], partition .. ':replies:' .. fields.client, partition .. ':reply:' .. fields.client,
        args[1], args[2], args[3], args[4], args[5])
end

-- KEYS: dead stream, the stream the letter came from, its byte counter, result, place (optional), user (optional)
-- ARGV: dead entry, ttl_ms, result_ttl_s, noted_s (optional, as for submit)
-- Puts a dead letter back at the start of its stage with a new deadline; its error reply makes room for a new one.
-- Returns 1, or 0 where there is no such dead letter.
local function replay(keys, args)
    check_args(args, 3, { 2, 3 }, 1)
    check_distinct(keys)
    check_counted(keys, 2)
    check_string(keys[4])
    if keys[5] then check_string(keys[5]) end
    local found = redis.call('XRANGE', keys[1], args[1], args[1])
    if not found[1] then return 0 end
    local letter, fields = {}, found[1][2]
    for i = 1, #fields, 2 do letter[fields[i]] = fields[i + 1] end
    if not (letter.id and letter.client and letter.m) then
        return redis.error_reply('BADREQUEST the dead letter was not written by songlens_bury')
    end
    local ttl_ms, now = tonumber(args[2]), server_ms()
    local kept_ms = ttl_ms + tonumber(args[3]) * 1000
    if keys[6] then note(keys[6], letter.id, letter.client, now, kept_ms + tonumber(args[4] or args[3]) * 1000) end
    local place = enqueue(keys[2], letter.id, letter.client, string.format('%d', now + ttl_ms), letter.m)
    redis.call('SET', keys[4], '', 'PX', kept_ms)
    if keys[5] then redis.call('SET', keys[5], place, 'PX', kept_ms) end
    redis.call('XDEL', keys[1], args[1])
    return 1
end

-- Steps that end an entry give memory back: a server that is out of it refuses submits, and must never refuse these.
local ENDING = { 'allow-oom' }

redis.register_function('songlens_submit', submit)
redis.register_function{ function_name = 'songlens_hand_over', callback = hand_over, flags = ENDING }
redis.register_function{ function_name = 'songlens_finish', callback = finish, flags = ENDING }
redis.register_function{ function_name = 'songlens_bury', callback = bury, flags = ENDING }
redis.register_function{ function_name = 'songlens_cancel', callback = cancel, flags = ENDING }
redis.register_function('songlens_replay', replay)
