// The service in a process of its own, as a benchmark wants it: the configuration comes as an argument, usage and the end
// over the process channel.

import { startService } from '@bellhop/server';

const service = await startService(JSON.parse(process.argv[2] ?? ''));
process.send?.({ url: service.url });
process.on('message', (message) => {
  if (message === 'close') {
    void service.close().then(() => process.exit(0));
    return;
  }
  const { user, system } = process.cpuUsage();
  process.send?.({ cpuMicros: user + system, rssBytes: process.memoryUsage.rss() });
});
process.on('disconnect', () => process.exit(1));
