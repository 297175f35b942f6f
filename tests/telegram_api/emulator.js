// The emulator on a free port of the loopback: prints the port, and ends with its input.
'use strict';

const TelegramServer = require('telegram-test-api');

const server = new TelegramServer({ host: '127.0.0.1' });
// Its constructor takes 0 for "not given".
server.config.port = 0;
server.start().then(() => process.stdout.write(`${server.server.address().port}\n`));
process.stdin.resume().on('end', () => process.exit(0));
