-- The users here who have another id than the pool's.
-- $1, $2: handles and their subs, in pairs
select distinct users.handle::text as handle
from unnest($1::text[], $2::text[]) as pool (handle, sub)
join public.users on users.handle = pool.handle
where users.cognito_user_id is distinct from pool.sub
order by handle;
