"""Lots and movements, both ways."""

import re
from datetime import datetime
from typing import Any
from uuid import UUID

from kat.dosing_log.v1 import records_pb2
from services.dosing_log.convert import values
from services.dosing_log.convert.values import amount
from services.dosing_log.domain.amounts import MG, MG_PER_ML, ML, PIECE, UnitMismatchError, content_mg
from services.dosing_log.domain.stock import Lot, LotOnHand, Movement, is_dea_number
from services.runtime.actor import Actor
from services.runtime.fields import Fields, actor_message, date_message, quantity_message, timestamp
from services.runtime.identifiers import new_id
from services.runtime.names import etag_of, format_name

_NDC = re.compile(r"\d{10,11}|\d{4}-\d{4}-\d{2}|\d{5}-\d{3}-\d{2}|\d{5}-\d{4}-\d{1,2}")
_MOST_CONTAINERS = 100_000


def receive_lot(request: Any, now: datetime, receiver: Actor) -> Lot:
    """Read ReceiveLot."""
    fields, message = Fields(), request.lot
    if message.ndc and not _NDC.fullmatch(message.ndc):
        fields.fault("lot.ndc", 'write it with its dashes, such as "42023-114-10"')
    if not is_dea_number(message.supplier_dea_number):
        fields.fault(
            "lot.supplier_dea_number", "write two letters and seven digits, the last of which checks the others"
        )
    if not message.routes:
        fields.fault("lot.routes", "write the routes that its form allows")
    lot = Lot(
        lot_id=new_id(),
        clinic_id=fields.name("lot.clinic", message.clinic, "clinics"),
        substance=fields.enum("lot.substance", message.substance, values.SUBSTANCES),
        routes=tuple(
            fields.enum(f"lot.routes[{index}]", route, values.ROUTES) for index, route in enumerate(message.routes)
        ),
        ndc=message.ndc,
        strength=amount(fields, "lot.strength", message, "strength", units=(MG, MG_PER_ML)),
        lot_number=fields.text("lot.lot_number", message.lot_number, maximum=50),
        expire_date=fields.date("lot.expire_date", message, "expire_date"),
        container_count=fields.integer("lot.container_count", message.container_count, 1, _MOST_CONTAINERS),
        container_content=amount(fields, "lot.container_content", message, "container_content", units=(ML, PIECE)),
        supplier_name=fields.text("lot.supplier_name", message.supplier_name, maximum=200),
        supplier_dea_number=message.supplier_dea_number,
        invoice_number=fields.text("lot.invoice_number", message.invoice_number, maximum=100),
        receive_time=now,
        receiver=receiver,
    )
    if message.HasField("strength") and message.HasField("container_content"):
        _hold_units_together(fields, lot)
    fields.check()
    return lot


def _hold_units_together(fields: Fields, lot: Lot) -> None:
    try:
        content_mg(1, lot.container_content, lot.strength)
    except UnitMismatchError as mismatch:
        fields.fault("lot.container_content.unit", str(mismatch))


def lot_id(request: Any, field: str) -> UUID:
    """Read the name of a lot."""
    fields = Fields()
    identifier = fields.name(field, getattr(request, field), "lots")
    fields.check()
    return identifier


def clinic_filter(request: Any) -> UUID | None:
    """Read the clinic that ListLots asks for."""
    fields = Fields()
    clinic_id = fields.optional_name("clinic", request.clinic, "clinics")
    fields.check()
    return clinic_id


def lot_message(on_hand: LotOnHand) -> records_pb2.Lot:
    """Return a lot with its balance."""
    lot, states = on_hand.lot, records_pb2.Lot
    return records_pb2.Lot(
        name=format_name("lots", lot.lot_id),
        clinic=format_name("clinics", lot.clinic_id),
        substance=values.number(values.SUBSTANCES, lot.substance),
        routes=[values.number(values.ROUTES, route) for route in lot.routes],
        ndc=lot.ndc,
        strength=quantity_message(lot.strength.value, lot.strength.unit),
        lot_number=lot.lot_number,
        expire_date=date_message(lot.expire_date),
        container_count=lot.container_count,
        container_content=quantity_message(lot.container_content.value, lot.container_content.unit),
        supplier_name=lot.supplier_name,
        supplier_dea_number=lot.supplier_dea_number,
        invoice_number=lot.invoice_number,
        state=states.STATE_AVAILABLE if on_hand.balance_mg else states.STATE_DEPLETED,
        balance=quantity_message(on_hand.balance_mg, MG),
        etag=etag_of(lot.lot_id, on_hand.sequence_number),
        receive_time=timestamp(lot.receive_time),
        receiver=actor_message(lot.receiver),
    )


def movement_message(movement: Movement) -> records_pb2.Movement:
    """Return a movement."""
    return records_pb2.Movement(
        name=format_name("movements", movement.movement_id),
        lot=format_name("lots", movement.lot_id),
        sequence_number=movement.sequence_number,
        kind=values.number(values.MOVEMENT_KINDS, movement.kind),
        amount=quantity_message(movement.amount_mg, MG),
        balance_after=quantity_message(movement.balance_after_mg, MG),
        event_time=timestamp(movement.event_time),
        record_time=timestamp(movement.record_time),
        recorder=actor_message(movement.recorder),
        record=format_name("records", movement.record_id) if movement.record_id else "",
    )
