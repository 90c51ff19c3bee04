-- Appends ticks to one stream: drops what its venue ids say was published, numbers the rest, appends them to the log,
-- publishes them. One atomic call, so log, position and message never disagree.
--
-- KEYS: log, meta
-- ARGV: 1 run id of the Redis process that the caller is connected to
--       2 epoch to begin if one must begin
--       3 worker   4 number of this call, rising over the worker's life and lives   5 the life, a random word
--       6 prev: venue id below which the stream must not stand ("" = not known)
--       7 flags: "i" the hole below prev can be named by ids; "l" the caller itself lost ticks before these
--       8 cause of such a hole
--       9 floor: the highest seq that the caller saw on this stream   10 the venue id that was published by then
--      11 log entries below this seq are trimmed ("0" = none)   12 longest log
--      13 an id that goes back, later than this many microseconds after the last tick, is a reset
--      14 publish time, 15 receive time: MessagePack integers, spliced as they are
--      16 PUBLISH or SPUBLISH
--      17 the venue id at which the stream stood when this call was found BEHIND: where it still stands there, nobody
--         fills the hole, and it is published with a gap ("" = never)
--      18 epoch that the floor belongs to ("" = none)   19 the seq at which that epoch began, or a higher one of it
--      20 channel
--      21.. per tick: venue id ("" = none), event time in microseconds, bytes
--
-- Answers: {"OK", epoch, first, last, duplicates, gaps}   last < first: nothing was left to publish
--          {"BEHIND", last venue id}                      nothing published: the stream misses ids below prev
--          {"STALE", number of the newest call}           nothing written: this call is older than one that ran
-- Venue ids are compared as decimal strings: Lua's numbers lose those above 2^53.

local FIRST_TICK = 21
local EPOCHS_KEPT = 8

local function below(a, b) return #a < #b or (#a == #b and a < b) end

local function pick(...) return redis.call('HMGET', KEYS[2], ...) end
local function put(...) return redis.call('HSET', KEYS[2], ...) end

local meta = pick('epoch', 'seq', 'run_id', 'last_id', 'last_ts', 'epochs', 'reset', 'waits', 'w:' .. ARGV[3])
local epoch, seq, last_id, last_ts = meta[1], tonumber(meta[2] or 0), meta[4] or '', tonumber(meta[5] or 0)
local epochs, waits, newest_call = meta[6] or '', meta[8] or '', meta[9]

-- A repeat of the last call (the caller never saw its answer) gets that answer; an older one, late from a connection
-- that was given up, must not write behind it. Two callers that were given one name by mistake are told apart by life.
local number = tonumber(ARGV[4])
local newest = newest_call and tonumber(newest_call:match('^%d+'))
if newest and newest >= number then
  local life, of_epoch, from, to, dropped, named = newest_call:match('^%d+ (%S+) (%S+) (%d+) (%d+) (%d+) (%d+)$')
  if newest == number and life == ARGV[5] then
    return {'OK', of_epoch, tonumber(from), tonumber(to), tonumber(dropped), tonumber(named)}
  end
  return {'STALE', string.format('%.0f', newest)}
end

-- A Redis that came back without its last writes knows less than the caller, who is not to blame the venue for it. The
-- process may be the one that wrote its record: a master that was given up, and put back before it had its successor's.
local rewound = tonumber(ARGV[9]) > seq
if rewound and (last_id == '' or below(last_id, ARGV[10])) then last_id = ARGV[10] end

-- After a reset of the venue's ids a peer that is late still brings ticks of the numbering before, and their ids prove
-- nothing any more; their time does. They were published, or stand in the reset's gap.
local old_until = tonumber(meta[7] or '')
local function outdated(ts) return old_until and ts <= old_until end

local prev, flags, first_id = ARGV[6], ARGV[7], ARGV[FIRST_TICK]
local hole = prev ~= '' and last_id ~= '' and below(last_id, prev)
  and not below(first_id, prev)  -- the caller saw the venue's ids begin anew between these two
  and not outdated(tonumber(ARGV[FIRST_TICK + 1]))
if hole then
  -- Where both workers have a hole, the one with the smaller goes first: what only it has would come too late.
  local someone = below(last_id, waits)
  if ARGV[17] ~= last_id then
    if not someone or below(first_id, waits) then put('waits', first_id) end
    return {'BEHIND', last_id}
  elseif someone and below(waits, first_id) then
    put('waits', first_id)  -- that one may have died: it is waited for once, and then it is this one's turn
    return {'BEHIND', last_id}
  end
end

local entries, duplicates, gaps, reset = {}, 0, 0, false

local function gap(cause, after, before)
  gaps = gaps + 1
  -- ["g", cause, after, before, receive time]
  entries[#entries + 1] = '\149' .. cmsgpack.pack('g') .. cmsgpack.pack(cause) .. cmsgpack.pack(after)
    .. cmsgpack.pack(before) .. ARGV[15]
end

if hole then
  if flags:find('i', 1, true) then gap(ARGV[8], last_id, first_id) else gap(ARGV[8], '', '') end
elseif flags:find('l', 1, true) and (prev == '' or last_id == '') then
  -- nothing to measure the loss by: no ids, or a stream that begins with it
  gap(ARGV[8], '', '')
end

local last_at  -- where in ARGV the last fresh tick's event time stands: few need to be read as numbers
local function last_time() return last_at and tonumber(ARGV[last_at]) or last_ts end

for i = FIRST_TICK, #ARGV, 3 do
  local id = ARGV[i]
  local fresh = id == '' or last_id == '' or (not old_until and (#id > #last_id or (#id == #last_id and id > last_id)))
  if not fresh then
    local ts = tonumber(ARGV[i + 1])
    if not outdated(ts) then
      fresh = below(last_id, id)
      if not fresh and ts - last_time() > tonumber(ARGV[13]) then
        fresh = true
        gap('venue', '', '')
        old_until = last_time() + tonumber(ARGV[13]) / 2  -- the middle of the least pause that makes a reset
        reset, waits = true, ''
      end
    end
  end
  if fresh then
    entries[#entries + 1] = ARGV[i + 2]
    last_at = i + 1
    if id ~= '' then last_id = id end
  else
    duplicates = duplicates + 1
  end
end

if #entries == 0 then return {'OK', epoch or '', seq + 1, seq, duplicates, 0} end

-- An epoch belongs to one Redis process: a restart from an old snapshot and a promoted replica rewind the sequence.
-- The floor keeps numbers rising all the same, so that what Redis forgot is a gap with exact ends. `epochs` says where
-- each of the last ones began ("k3J9:1 x0Lm:121"), so that a reader who missed some still knows its way.
-- A Redis that was set back has not heard of the epoch that the caller saw last: it is entered between.
if not epoch then redis.call('DEL', KEYS[1]) end
local begun = not epoch or meta[3] ~= ARGV[1] or rewound
if begun then
  local function enter(name, start)
    epochs = string.format('%s%s%s:%.0f', epochs, epochs == '' and '' or ' ', name, start)
  end
  if rewound and ARGV[18] ~= '' and not (' ' .. epochs):find(' ' .. ARGV[18] .. ':', 1, true) then
    enter(ARGV[18], math.max(seq + 1, tonumber(ARGV[19])))
  end
  epoch = ARGV[2]
  seq = math.max(seq, tonumber(ARGV[9]))
  enter(epoch, seq + 1)
  while select(2, epochs:gsub(' ', '')) >= EPOCHS_KEPT do epochs = epochs:gsub('^%S+ ', '') end
end

local first = seq + 1
local n = #entries
local add = redis.call
for i = 1, n - 1 do
  seq = seq + 1
  add('XADD', KEYS[1], seq, 'd', entries[i])
end
seq = seq + 1
add('XADD', KEYS[1], 'MAXLEN', '~', ARGV[12], seq, 'd', entries[n])
if ARGV[11] ~= '0' then redis.call('XTRIM', KEYS[1], 'MINID', '~', ARGV[11] .. '-0') end

if begun then put('epoch', epoch, 'run_id', ARGV[1], 'epochs', epochs) end
if reset then put('reset', string.format('%.0f', old_until)) end
if waits ~= '' and not below(last_id, waits) then waits = '' end
if waits ~= (meta[8] or '') then put('waits', waits) end
put('seq', seq, 'last_id', last_id, 'last_ts', string.format('%.0f', last_time()),
  'w:' .. ARGV[3], string.format('%.0f %s %s %.0f %.0f %d %d', number, ARGV[5], epoch, first, seq, duplicates, gaps))
redis.call(ARGV[16], ARGV[20], '\148' .. cmsgpack.pack(epoch) .. cmsgpack.pack(first) .. ARGV[14]
  .. '\220' .. string.char(math.floor(n / 256), n % 256) .. table.concat(entries))
return {'OK', epoch, first, seq, duplicates, gaps}
