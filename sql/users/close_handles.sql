-- Handles that may be what a person meant; which of them come close is for the
-- caller to say. Those that begin alike come first, so that the limit, which
-- keeps this quick on a large table, leaves out the least likely.
-- $1: what was typed
select users.handle::text
from public.users
where abs(char_length(users.handle) - char_length($1::text)) <= 3
  or starts_with(lower(users.handle), lower($1))
  or starts_with(lower($1), lower(users.handle))
order by
  lower(left(users.handle, 3)) = lower(left($1, 3)) desc,
  lower(left(users.handle, 1)) = lower(left($1, 1)) desc,
  abs(char_length(users.handle) - char_length($1)),
  users.handle
limit 2000;
