// An order and its receipt in one transaction, from Node: mailsvc is not a dependency, only a table.
//   DATABASE_URL=postgres://shop@127.0.0.1/shop node order.js alice@example.test "A teapot"
import { randomBytes } from "node:crypto";
import pg from "pg";

const DIGITS = "0123456789abcdefghjkmnpqrstvwxyz";

/** An id of a message: ten base32 digits of the time in milliseconds, sixteen hexadecimal digits of chance. */
function newMessageId() {
  let left = Date.now();
  let time = "";
  for (let i = 0; i < 10; i++) {
    time = DIGITS[left % 32] + time;
    left = Math.floor(left / 32);
  }
  return `msg_${time}${randomBytes(8).toString("hex")}`;
}

const [to, item] = process.argv.slice(2);
const client = new pg.Client({ connectionString: process.env.DATABASE_URL });
await client.connect();
await client.query("CREATE TABLE IF NOT EXISTS orders (id serial PRIMARY KEY, item text NOT NULL, mail text NOT NULL)");
try {
  await client.query("BEGIN");
  const mail = newMessageId();
  const { rows } = await client.query("INSERT INTO orders (item, mail) VALUES ($1, $2) RETURNING id", [item, mail]);
  const draft = {
    from: "Shop <shop@app.test>",
    to: [to],
    subject: `Your order ${rows[0].id}`,
    text: `Thank you. We send you: ${item}.`,
    metadata: { order: String(rows[0].id) },
  };
  await client.query("INSERT INTO mailsvc_submission (id, draft, idempotency_key) VALUES ($1, $2, $3)", [
    mail,
    JSON.stringify(draft),
    `order-${rows[0].id}`,
  ]);
  await client.query("COMMIT");
  console.log(mail);
} catch (error) {
  await client.query("ROLLBACK");
  throw error;
} finally {
  await client.end();
}
