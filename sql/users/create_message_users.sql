-- The two people of a new message, each by handle or by Cognito id.
-- $1, $2: the sender's handle, or Cognito id
-- $3, $4: the receiver's handle, or Cognito id
select
  wanted.kind,
  users.uuid::uuid as uuid,
  coalesce(users.display_name, '')::text as display_name,
  coalesce(users.handle, '')::text as handle
from (
  values ('sender', $1::text, $2::text), ('receiver', $3::text, $4::text)
) as wanted (kind, handle, cognito_user_id)
join public.users
  on users.handle = wanted.handle or users.cognito_user_id = wanted.cognito_user_id
order by wanted.kind, users.handle;
