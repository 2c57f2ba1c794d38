"""A shop: the order and its receipt are committed together, and the order shows what became of the receipt."""

from pathlib import Path

from flask import Flask, redirect, render_template, request, url_for
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy.orm import Mapped, mapped_column

from mailsvc import Event, ValidationError
from mailsvc.flask import Mailsvc

app = Flask(__name__)
data = Path(app.instance_path)
data.mkdir(parents=True, exist_ok=True)
app.config["SQLALCHEMY_DATABASE_URI"] = f"sqlite:///{data / 'shop.db'}"
app.config["MAILSVC_DATABASE_URL"] = app.config["SQLALCHEMY_DATABASE_URI"]  # the mails are in the shop's database
app.config["MAILSVC_DATA_DIR"] = data / "mail"

db = SQLAlchemy(app)
mail = Mailsvc(app)  # starts with the first request


class Order(db.Model):
    """What somebody ordered, and how its receipt fares."""

    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str]
    item: Mapped[str]
    mail_id: Mapped[str | None] = mapped_column(index=True)
    mail_status: Mapped[str] = mapped_column(default="queued")


with app.app_context():
    mail.outbox.use(db.engine)  # SQLite: before the engine's first connection
    db.create_all()


@app.get("/")
def home(error: ValidationError | None = None):
    """The orders, newest first."""
    orders = db.session.scalars(db.select(Order).order_by(Order.id.desc())).all()
    return render_template("orders.html", orders=orders, error=error)


@app.post("/orders")
def order():
    """Store the order and its receipt: both, or neither."""
    new = Order(email=request.form["email"], item=request.form["item"])
    db.session.add(new)
    db.session.flush()  # gives it its number
    try:
        receipt = mail.outbox.send(
            db.session,
            from_="Shop <shop@app.test>",
            to=new.email,
            subject=f"Your order {new.id}",
            text=f"Thank you. We send you: {new.item}.",
        )
    except ValidationError as error:
        db.session.rollback()
        return home(error), 422
    new.mail_id = receipt.id
    db.session.commit()
    return redirect(url_for("home"))


@mail.on("message.sent", "message.deferred", "message.bounced", "message.suppressed", name="orders")
def note(event: Event) -> None:
    """Note at the order what became of its receipt. After a crash it is called again: it only sets what is."""
    status, bounce = event.data["status"], event.data.get("bounce")
    shown = f"{status}: {bounce['reason']}" if bounce else status
    with app.app_context():
        found = db.update(Order).where(Order.mail_id == event.data["message_id"])
        db.session.execute(found.values(mail_status=shown))
        db.session.commit()
