"""A shop: the order and its receipt are committed together, and the order shows what became of the receipt."""

from pathlib import Path

from flask import Flask, redirect, render_template, request, url_for
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy.orm import Mapped, mapped_column

from mailsvc import Event, Outbox, ValidationError
from mailsvc.flask import Mailsvc

app = Flask(__name__)
app.config.from_mapping(
    SQLALCHEMY_DATABASE_URI=f"sqlite:///{Path(app.instance_path) / 'shop.db'}",
    MAILSVC_DATABASE_URL=f"sqlite:///{Path(app.instance_path) / 'shop.db'}",  # the mails are in the shop's database
    MAILSVC_DATA_DIR=Path(app.instance_path) / "mail",
)
app.config.from_prefixed_env("SHOP")
Path(app.instance_path).mkdir(exist_ok=True)

db = SQLAlchemy(app)
mail = Mailsvc(app)
with app.app_context():
    outbox = Outbox(db.engine, data_dir=app.config["MAILSVC_DATA_DIR"])  # before the engine's first connection
    mail.service.prepare()


class Order(db.Model):
    """What somebody ordered, and how the mail about it fares."""

    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str]
    item: Mapped[str]
    mail_id: Mapped[str | None]
    mail_status: Mapped[str] = mapped_column(default="queued")


with app.app_context():
    db.create_all()


@app.get("/")
def home() -> str:
    """The orders, newest first."""
    orders = db.session.scalars(db.select(Order).order_by(Order.id.desc())).all()
    return render_template("orders.html", orders=orders, error=request.args.get("error"))


@app.post("/orders")
def order():
    """Both or neither: a crash between them leaves nothing, and so does a wrong address."""
    new = Order(email=request.form["email"], item=request.form["item"])
    db.session.add(new)
    db.session.flush()  # gives it its number
    try:
        receipt = outbox.send(
            db.session,
            from_="Shop <shop@app.test>",
            to=new.email,
            subject=f"Your order {new.id}",
            text=f"Thank you. We send you: {new.item}.",
            metadata={"order": str(new.id)},
            idempotency_key=f"order-{new.id}",
        )
    except ValidationError as error:
        db.session.rollback()
        return redirect(url_for("home", error=str(error)))
    new.mail_id = receipt.id
    db.session.commit()
    return redirect(url_for("home"))


@mail.on("message.*", name="orders")
def note(event: Event) -> None:
    """Show beside the order what became of its mail. Comes again after a crash: it only sets what is."""
    if "order" not in event.data["metadata"] or "recipient" not in event.data:
        return
    with app.app_context():
        found = db.session.get(Order, int(event.data["metadata"]["order"]))
        if found is not None:
            bounce = event.data.get("bounce")
            found.mail_status = f"{event.data['status']}: {bounce['reason']}" if bounce else event.data["status"]
            db.session.commit()
