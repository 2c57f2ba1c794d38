// An order and its receipt in one transaction: mailsvc is not a dependency here, only a table.
import pg from "pg";

const [to, item] = process.argv.slice(2);
const client = new pg.Client({ connectionString: process.env.DATABASE_URL });
await client.connect();
await client.query("CREATE TABLE IF NOT EXISTS orders (id serial PRIMARY KEY, item text NOT NULL)");
try {
  await client.query("BEGIN");
  const order = (await client.query("INSERT INTO orders (item) VALUES ($1) RETURNING id", [item])).rows[0].id;
  const draft = {
    from: "Shop <shop@app.test>",
    to: [to],
    subject: `Your order ${order}`,
    text: `Thank you. We send you: ${item}.`,
    metadata: { order: String(order) }, // each event about the mail has it
  };
  const mail = await client.query(
    "INSERT INTO mailsvc_submission (draft, idempotency_key) VALUES ($1, $2) RETURNING id",
    [JSON.stringify(draft), `order-${order}`],
  );
  await client.query("COMMIT");
  console.log(mail.rows[0].id);
} catch (error) {
  await client.query("ROLLBACK");
  throw error;
} finally {
  await client.end();
}
