// Nodemailer's connection pool without any queue: everything is in this process's memory.
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import nodemailer from "nodemailer";

const orders = JSON.parse(process.argv[2]);
const transport = nodemailer.createTransport({
  pool: true,
  maxConnections: 8,
  maxMessages: Infinity,
  host: "127.0.0.1",
  port: orders.port,
  requireTLS: true,
  auth: { user: orders.username, pass: orders.password },
  tls: { ca: readFileSync(orders.ca) },
});

process.stdout.write("ready\n");
for await (const _ of createInterface({ input: process.stdin })) break;
const startedAt = Number(process.hrtime.bigint()) / 1e9;
const sendings = [];
for (let number = 0; number < orders.messages; number++) {
  const to = `customer${number}@example.test`;
  sendings.push(transport.sendMail({ ...orders.mail, to, subject: `Your order ${number}` }));
}
await Promise.all(sendings);
process.stdout.write(JSON.stringify({ started_at: startedAt }) + "\n");
for await (const _ of createInterface({ input: process.stdin })) break;
