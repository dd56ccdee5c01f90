"""The KAT suite: scheduler, dosing log and notifications for ketamine-assisted therapy, over one runtime."""
