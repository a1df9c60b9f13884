-- Whom each user is in the pool, as far as is known here. It sorts nothing: its
-- caller has more to put among it.
select handle::text as handle, cognito_user_id::text as id
from public.users;
