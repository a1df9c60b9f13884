-- Whom each user is in the pool, as far as is known here: handles and ids, in
-- pairs. In one row, since a client takes longer over a hundred thousand rows than
-- the server does.
select
  coalesce(array_agg(handle::text), '{}') as handles,
  coalesce(array_agg(cognito_user_id::text), '{}') as ids
from public.users;
