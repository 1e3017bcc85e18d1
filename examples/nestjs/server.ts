// NestJS 11 on Express: npm run example -- nestjs
import { toExpress } from '@bellhop/handler/express';
import { Controller, Get, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { host, listening, port, stopWith } from '../shared/run.ts';
import { effects, webhooks } from '../shared/webhooks.ts';

@Controller('effects')
class EffectsController {
  @Get()
  list() {
    return effects.list();
  }
}

@Module({ controllers: [EffectsController] })
class AppModule {}

const app = await NestFactory.create<NestExpressApplication>(AppModule, { logger: ['error', 'warn'] });
app.use('/webhooks', toExpress(webhooks)); // before app.listen(), which puts the body parsers in place

await webhooks.start();
await app.listen(port, host);
listening(Number(new URL(await app.getUrl()).port));
stopWith(() => app.close());
