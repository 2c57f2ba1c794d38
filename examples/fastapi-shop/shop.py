"""A shop: order and receipt are one transaction of an AsyncSession, and coroutines note what became of the receipt."""

import asyncio
from contextlib import asynccontextmanager

from fastapi import FastAPI, HTTPException
from pydantic import BaseModel
from sqlalchemy import NullPool, select, update
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from mailsvc import Event, Service, Settings, ValidationError

service = Service(Settings(data_dir="mail", database_url="sqlite:///shop.db"))  # without relay_url, it has the sandbox
outbox = service.outbox
# No pool: its connections would belong to the server's event loop, and callbacks run in that of the service.
engine = create_async_engine("sqlite+aiosqlite:///shop.db", poolclass=NullPool)
outbox.use(engine)
sessions = async_sessionmaker(engine)


class Base(DeclarativeBase):
    """The shop's tables."""


class Order(Base):
    """What somebody ordered, and how its receipt fares."""

    __tablename__ = "orders"
    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str]
    item: Mapped[str]
    mail_id: Mapped[str | None] = mapped_column(index=True)
    mail_status: Mapped[str] = mapped_column(default="queued")


@asynccontextmanager
async def lifespan(_app: FastAPI):
    """Make the tables, and have the service run as long as the application."""
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    await asyncio.to_thread(service.start)
    yield
    await asyncio.to_thread(service.stop)


app = FastAPI(lifespan=lifespan)


class NewOrder(BaseModel):
    """What a client sends."""

    email: str
    item: str


@app.post("/orders", status_code=201)
async def order(wanted: NewOrder) -> int:
    """Store the order and its receipt: both, or neither. Returns the order's number."""
    async with sessions.begin() as session:
        new = Order(email=wanted.email, item=wanted.item)
        session.add(new)
        await session.flush()  # gives it its number
        try:
            receipt = await outbox.asend(
                session,
                from_="Shop <shop@app.test>",
                to=new.email,
                subject=f"Your order {new.id}",
                text=f"Thank you. We send you: {new.item}.",
            )
        except ValidationError as error:
            raise HTTPException(422, str(error)) from error  # which rolls back
        new.mail_id = receipt.id
        return new.id


@app.get("/orders")
async def orders() -> dict[int, str]:
    """What became of the receipt of each order."""
    async with sessions() as session:
        return dict((await session.execute(select(Order.id, Order.mail_status))).all())


@service.on("message.sent", "message.deferred", "message.bounced", "message.suppressed", name="orders")
async def note(event: Event) -> None:
    """Note at the order what became of its receipt. After a crash it is called again: it only sets what is."""
    status, bounce = event.data["status"], event.data.get("bounce")
    shown = f"{status}: {bounce['reason']}" if bounce else status
    async with sessions.begin() as session:
        await session.execute(update(Order).where(Order.mail_id == event.data["message_id"]).values(mail_status=shown))
