-- Three users and one activity. Rows that are there stay as they are, those of
-- a user who has another handle by now, too.
--
-- The uuids are fixed, so that conversations in DynamoDB, which name people by
-- uuid, still belong to them after the database was dropped and set up again.

insert into public.users (uuid, display_name, handle, email, cognito_user_id)
values
  ('8b2f6ae4-9a1d-4c53-9f0e-1d6a3c7be201', 'Andrew Brown', 'andrewbrown', 'andrewbrown@example.com', 'MOCK'),
  ('3f7c1e90-52b8-4d6e-8a47-c90b5e1f2a02', 'Andrew Bayko', 'bayko', 'bayko@example.com', 'MOCK'),
  ('d41a9c07-6e3f-4b28-b5d2-70f8a1e4c603', 'Londo Mollari', 'londo', 'londo@example.com', 'MOCK')
on conflict do nothing;

insert into public.activities (user_uuid, message, expires_at)
select users.uuid, seed.message, (now() at time zone 'utc') + interval '10 days'
from (values ('andrewbrown', 'This was imported as seed data!')) as seed (handle, message)
join public.users on users.handle = seed.handle
where not exists (
  select from public.activities
  where activities.user_uuid = users.uuid and activities.message = seed.message
);
