"""The page with the orders, and what happens when somebody orders."""

from functools import partial

from django.core.mail import send_mail
from django.db import transaction
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST

from mailsvc import ValidationError
from mailsvc.django import outbox
from mailsvc_sdk.events import Event, MessageBounced, MessageDeferred, MessageSent, MessageSuppressed
from shop.models import Order


def home(request):
    """The orders, newest first."""
    return render(request, "orders.html", {"orders": Order.objects.order_by("-id")})


@require_POST
def order(request):
    """Store the order and its receipt: both, or neither."""
    email, item = request.POST["email"], request.POST["item"]
    try:
        with transaction.atomic():
            new = Order.objects.create(email=email, item=item)
            receipt = outbox.send(
                to=email,
                from_="Shop <shop@app.test>",
                subject=f"Your order {new.id}",
                text=f"Thank you. We send you: {item}.",
            )
            new.mail_id = receipt.id
            new.save()
            tell_staff = partial(send_mail, f"Order {new.id}", str(new), None, ["staff@app.test"])
            transaction.on_commit(tell_staff, robust=True)  # over HTTP: the order stands, whatever becomes of it
    except ValidationError as error:
        return render(request, "orders.html", {"orders": Order.objects.order_by("-id"), "error": error}, status=422)
    return redirect("home")


def note(event: Event) -> None:
    """Note at the order what became of its receipt. A webhook may come twice: this only sets what is."""
    match event:
        case MessageBounced():
            shown = f"bounced: {event.bounce.reason}"
        case MessageSent() | MessageDeferred() | MessageSuppressed():
            shown = event.status
        case _:
            return
    Order.objects.filter(mail_id=event.message_id).update(mail_status=shown)
