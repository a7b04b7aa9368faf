process.send!({ args: process.argv.slice(2), said: process.env['SAID'] })
