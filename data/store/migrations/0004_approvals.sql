-- Approvals: how much a plan is worth, which signature it is of how many, and who started the run.

ALTER TABLE approvals ADD COLUMN orders INTEGER;                  -- in the plan
ALTER TABLE approvals ADD COLUMN notional DECIMAL(38,12);         -- of the plan
ALTER TABLE approvals ADD COLUMN opens_notional DECIMAL(38,12);   -- of what does not only reduce
ALTER TABLE approvals ADD COLUMN signature INTEGER;               -- 1, or 2 for the second person
ALTER TABLE approvals ADD COLUMN signatures_needed INTEGER;
ALTER TABLE approvals ADD COLUMN triggered_by VARCHAR;            -- who or what started the run
ALTER TABLE approvals ADD COLUMN trigger_user VARCHAR;            -- null: not told apart

UPDATE approvals SET signature = 1, signatures_needed = 1, triggered_by = 'not recorded',
    orders = 0, notional = 0, opens_notional = 0;

UPDATE approvals SET
    orders = coalesce(json_array_length(plan, '$.approved'), 0),
    notional = coalesce((
        SELECT sum(TRY_CAST(i->>'notional' AS DECIMAL(38,12)))
        FROM (SELECT unnest(TRY_CAST(plan->'approved' AS JSON[])) AS i)
        WHERE i->>'parent_id' IS NULL
    ), 0),
    opens_notional = coalesce((
        SELECT sum(TRY_CAST(i->>'notional' AS DECIMAL(38,12)))
        FROM (SELECT unnest(TRY_CAST(plan->'approved' AS JSON[])) AS i)
        WHERE NOT coalesce(TRY_CAST(i->>'reduce_only' AS BOOLEAN), false)
    ), 0)
WHERE json_valid(plan);
