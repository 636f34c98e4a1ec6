-- Slots of mailed reports that are done with: one row for each, so that no gateway makes one up twice.
CREATE TABLE report_slots (
    report TEXT NOT NULL,
    -- The date of the slot by the report's wall clock.
    slot   TEXT NOT NULL,
    -- The instant of the slot.
    at     BIGINT NOT NULL,
    PRIMARY KEY (report, slot)
);
